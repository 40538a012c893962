import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A stand-in for wrangler, to be put first on PATH: it keeps what it was told. */
export interface FakeWrangler {
  readonly path: string;
  /** The command lines it was started with. */
  readonly calls: () => Promise<string[]>;
  /** The configuration it was given last. */
  readonly config: () => Promise<string>;
}

/** `url` is where it says the Worker is; `loggedIn` whether somebody is. */
export async function fakeWrangler(folder: string, url: string, loggedIn = true): Promise<FakeWrangler> {
  const path = join(folder, "bin");
  await mkdir(path);
  const state = join(folder, "wrangler");
  await mkdir(state);
  const script = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, copyFileSync, writeFileSync } = require("node:fs");
const words = process.argv.slice(2);
const state = ${JSON.stringify(state)};
appendFileSync(state + "/calls", words.filter((word) => !word.startsWith("/")).join(" ") + "\\n");
switch (words[0] + (words[0] === "secret" ? " " + words[1] : "")) {
  case "whoami": console.log('{"loggedIn":${String(loggedIn)}}'); process.exit(${loggedIn ? 0 : 1});
  case "deploy":
    copyFileSync(words[words.indexOf("--config") + 1], state + "/config");
    console.log("Deployed");
    writeFileSync(process.env.WRANGLER_OUTPUT_FILE_PATH, JSON.stringify({ type: "deploy", targets: [${JSON.stringify(url)}] }) + "\\n");
    break;
  case "secret list": console.log(existsSync(state + "/secret") ? '[{"name":"ADMIN_SECRET"}]' : "[]"); break;
  case "secret put": writeFileSync(state + "/secret", readFileSync(0)); break;
}
`;
  await writeFile(join(path, "wrangler"), script, { mode: 0o755 });
  return {
    path,
    calls: async () => (await readFile(join(state, "calls"), "utf8")).trim().split("\n"),
    config: () => readFile(join(state, "config"), "utf8"),
  };
}
