import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { TYPE } from "../../shared/frame.ts";
import { encodeOpen } from "../../shared/open.ts";
import { testEdge } from "../support/edge.ts";
import { HandMade } from "../support/hand-made.ts";
import { heldTcp } from "../support/held.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { testSite } from "../support/site.ts";

// X misbehaves, Y doesn't notice: what test/e2e/budgets.test.ts does for bytes, for the other budgets of docs/security.md.

test("while a client opens and resets streams as fast as it can, another client and a visitor are served", async () => {
  await using site = await testSite({ tcp: "8080" });
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`);
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const token = async () => readFileSync(await site.token("visitor", "--endpoint", "lab/*"), "utf8").trim();
  const join = async () => new HandMade({ url: site.edge.url, token: await token(), kind: "client" }).join();
  await using hostile = await join();
  await using other = await join();
  for (let round = 1; round <= 3; round += 1) {
    for (let n = 1; n <= 300; n += 1) {
      const stream = round * 1_000 + n;
      hostile.say({ type: TYPE.OPEN, stream, offset: 16_384 }, encodeOpen({ endpoint: "lab/echo", visitor: "" }));
      hostile.say({ type: TYPE.RESET, stream });
    }
    expect(await other.open(round, "lab/echo")).toBe("open");
    expect(await ask(site.edge.host, 8080, `visitor ${round}`)).toBe(`visitor ${round}`);
  }
  expect(hostile.ending).toBe("");
});

test("a visitor that holds all streams its mapping has keeps nobody from another mapping", async () => {
  await using site = await testSite({ tcp: "8080-8081" });
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--max-streams", "20");
  await site.map("8081/tcp", `${echo.host}:${echo.port}`, "--max-streams", "20");
  await using held = new AsyncDisposableStack();
  for (let n = 0; n < 20; n += 1) {
    const each = await heldTcp({ host: site.edge.host, port: 8080 });
    held.defer(() => each.close());
  }
  await expect(heldTcp({ host: site.edge.host, port: 8080 })).rejects.toThrow("refused");
  expect(await ask(site.edge.host, 8081, "hello")).toBe("hello");
});

test("heads that are larger than any may be are refused one by one; who asks properly meanwhile is answered", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((_, response) => void response.end("here"));
  await site.map("http://web.example", origin.url);
  const greedy: Readonly<Record<string, string>>[] = [
    { "x-large": "x".repeat(60_000) },
    Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x-${n}`, "y"])),
    { cookie: "a=b; ".repeat(10_000) },
  ];
  for (let round = 0; round < 5; round += 1) {
    const refused = greedy.map((headers) => askHttp(site.edge.url, "web.example", { headers }));
    const proper = await askHttp(site.edge.url, "web.example", {});
    expect([proper.status, proper.body.toString()]).toEqual([200, "here"]);
    expect((await Promise.all(refused)).map(({ status }) => status)).toEqual([431, 431, 431]);
  }
});

test("whoever guesses the admin secret waits; who knows it, elsewhere, logs in at once", async () => {
  await using edge = await testEdge();
  const login = (from: string, secret: string) =>
    requestFrom(
      from,
      "POST",
      `${edge.url}/.sallyport/api/v1/login`,
      { "content-type": "application/json" },
      JSON.stringify({ secret }),
    );
  const [guesser, owner] = [loopback(), loopback()];
  expect((await login(guesser, "guess 0")).status).toBe(401);
  const secret = readFileSync(edge.secretFile, "utf8").trim();
  // Not even the right one helps where it was guessed.
  expect((await login(guesser, secret)).status).toBe(429);
  expect((await login(owner, secret)).status).toBe(200);
});
