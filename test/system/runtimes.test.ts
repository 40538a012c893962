/** The built agent under other runtimes than Node: what docs/recipes/README.md says of them. */
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { AGENT } from "../../scripts/tool.ts";
import { digest, noise } from "../support/bytes.ts";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { installed } from "../support/registry.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ANYWHERE } from "../support/targets.ts";

const MIB = 1024 * 1024;

type Runtime = {
  /** In the npm registry, with its version. */
  readonly pack: string;
  /** The program itself: what npm links is a Node script around it, which signals would end instead. */
  readonly program: string;
  /** Words before the agent's file; `folder` is all that may be written. */
  readonly words: (folder: string) => readonly string[];
};

const RUNTIMES: Record<"Deno" | "Bun", Runtime> = {
  Deno: {
    pack: "deno@2.9.6",
    program: "@deno/*/deno",
    // No --allow-run, no --allow-ffi, and of the disk its control socket alone may be written.
    words: (folder) =>
      `run --no-prompt --allow-net --allow-env --allow-sys --allow-read --allow-write=${folder}`.split(" "),
  },
  Bun: { pack: "bun@1.4.5", program: "@oven/*/bin/bun", words: () => [] },
};

test("the built agent serves under Deno, with no more permissions than it names", (context) => serves(context, "Deno"));
test("the built agent serves under Bun", (context) => serves(context, "Bun"));

async function serves(context: TestContext, name: keyof typeof RUNTIMES): Promise<void> {
  await using folder = await tempDir();
  const { pack, program: file } = RUNTIMES[name];
  const program = await installed(context, folder.path, pack, file);
  await using edge = await testEdge({ tcp: "8080,8081" }, "--udp", "9000");
  await using echo = await tcpServer(loopback());
  await using source = await tcpServer(loopback(), 0, (socket) => void noise(8 * MIB).pipe(socket));
  await using answers = await udpServer(loopback());
  await using web = await httpOrigin((request, response) => void response.end(`${request.method} ${request.url}`));
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", `${echo.host}:${echo.port}`);
  await edge.ok("map", "add", "8081/tcp", "lab", `${source.host}:${source.port}`);
  await edge.ok("map", "add", "9000/udp", "lab", `${answers.host}:${answers.port}`);
  await edge.ok("map", "add", "http://web.example", "lab", web.url);
  const token = join(folder.path, "token");
  await writeFile(token, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });

  const words = [...RUNTIMES[name].words(folder.path), AGENT, "--token-file", token, "--log", "json"];
  const env = { DENO_DIR: join(folder.path, "cache"), XDG_RUNTIME_DIR: folder.path };
  await using agent = run(program, words, { env });
  await agent.until(/"msg":"ready"/);

  await carries(edge);
  agent.kill("SIGTERM");
  expect(await agent.ended).toMatchObject({ code: 0 });
}

async function carries({ host, url }: TestEdge): Promise<void> {
  expect(await ask(host, 8080, "half-closed")).toBe("half-closed");
  expect(await digest(connect(8081, host))).toEqual(await digest(noise(8 * MIB)));
  await using visitor = new UdpVisitor({ host, port: 9000 });
  expect((await visitor.ask("a datagram")).toString()).toBe("a datagram");
  expect(await requestFrom(host, "GET", `${url}/page`, { host: "web.example" })).toMatchObject({
    status: 200,
    body: "GET /page",
  });
}
