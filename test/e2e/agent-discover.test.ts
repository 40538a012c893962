import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { loopback } from "../support/net.ts";
import { execute } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

test("what answers within the allowed ranges is proposed, and nothing outside them is touched", async () => {
  await using folder = await tempDir();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, unsignedToken("lab"), { mode: 0o600 });
  await using shop = await page("<title>Shop\u001b[31m</title>");
  await using secret = await page("<title>Secret</title>");
  const words = ["discover", "--token-file", tokenFile, "--allow", shop.host, "--json"];
  const { code, stdout } = await execute(SYSTEM_NODE, [AGENT, ...words]);
  expect(code).toBe(0);
  const target = `${shop.host}:8080`;
  expect(JSON.parse(stdout)).toMatchObject([
    { target, service: "web", what: "Shop\\u{1b}[31m", map: expect.stringContaining(target) },
  ]);
  expect(secret.visits()).toBe(0);
});

/** A page on port 8080 of an address of its own, which counts who comes. */
async function page(html: string) {
  const host = loopback();
  let visits = 0;
  const server = createServer((_request, response) => void response.end(html)).listen(8080, host);
  server.on("connection", () => (visits += 1));
  await once(server, "listening");
  return { host, visits: () => visits, [Symbol.asyncDispose]: async () => void server.close() };
}
