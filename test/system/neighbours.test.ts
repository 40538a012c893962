import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { AuditView, TokenView } from "../../shared/rule/api.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import { testEdge } from "../support/edge.ts";
import { HandMade } from "../support/hand-made.ts";
import { heldTcp } from "../support/held.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { testSite } from "../support/site.ts";

// X misbehaves, Y doesn't notice: what test/system/budgets.test.ts does for bytes, for the other budgets of docs/security.md.

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

test("whoever guesses the admin secret waits; who knows it logs in at once, from the very same address as well", async () => {
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
  const guesses = await Promise.all(Array.from({ length: 100 }, (_, n) => login(guesser, `guess ${n + 1}`)));
  // On a busy machine the first wait may be over before all of them have come.
  const waiting = guesses.filter(({ status }) => status === 429);
  expect(waiting.length).toBeGreaterThan(90);
  expect(waiting.every(({ headers }) => Number(headers["retry-after"]) > 0)).toBe(true);
  const secret = readFileSync(edge.secretFile, "utf8").trim();
  expect((await login(owner, secret)).status).toBe(200);
  // Whoever guesses may be behind the owner's own router.
  expect((await login(guesser, secret)).status).toBe(200);
  const seen = await edge.json<AuditView[]>("audit", "--action", "login refused");
  expect(seen).toMatchObject([{ actor: "login", from: guesser, subject: guesser, count: 101 }]);
});

test("a read-only token and an agent's, whatever they make the edge write down, push out no change of an administrator's", async () => {
  await using edge = await testEdge({}, "--audit-keep", "40");
  await edge.ok("site", "add", "lab");
  const reader = await edge.ok("token", "admin", "--read-only");
  const agent = await edge.ok("token", "agent", "lab", "--local", "--publish", "lab/*");
  const before = await edge.json<AuditView[]>("audit");
  for (let n = 0; n < 60; n += 1) {
    // From another address each, so that none is like the other.
    const opened = await requestFrom(
      `127.1.0.${n + 1}`,
      "POST",
      `${edge.url}/.sallyport/api/v1/session`,
      { "content-type": "application/json" },
      JSON.stringify({ secret: reader }),
    );
    expect(opened.status).toBe(201);
    expect((await edge.api("PUT", "/expose", agent, { endpoint: `lab/s${n}`, target: "127.0.0.1:9" })).status).toBe(
      200,
    );
  }
  const after = await edge.json<AuditView[]>("audit", "--limit", "1000");
  expect(after.slice(0, before.length)).toEqual(before);
  const counted = Map.groupBy(after.slice(before.length), ({ action }) => action);
  expect([...counted].map(([action, entries]) => [action, entries.length])).toEqual([
    ["session open", 20],
    ["map add", 20],
  ]);
  // As many browsers as one token may have at once.
  const tokens = await edge.json<TokenView[]>("token", "ls");
  expect(tokens.filter(({ scope }) => scope.includes("browser"))).toHaveLength(32);
});
