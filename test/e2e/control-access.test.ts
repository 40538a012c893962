import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import type { TokenView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";

test("only a live admin token opens the API, and every other gets the same answer", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const admin = await edge.ok("token", "admin");
  const [header = "", payload = "", signature = ""] = admin.split(".");
  const revoked = await edge.ok("token", "admin");
  await edge.ok("token", "revoke", String(decodeJwt(revoked).jti));
  const bad: Record<string, string | null> = {
    none: null,
    empty: "",
    noise: "x.y.z",
    "cut short": `${header}.${payload}.${signature.slice(0, -4)}`,
    unsigned: `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`,
    "another payload": `${header}.${Buffer.from(JSON.stringify({ ...decodeJwt(admin), exp: 9_999_999_999 })).toString("base64url")}.${signature}`,
    agent: await edge.ok("token", "agent", "lab", "--local"),
    visitor: await edge.ok("token", "visitor", "--endpoint", "lab/ssh"),
    gateway: await edge.ok("token", "gateway"),
    revoked,
  };
  const answers = new Set<string>();
  for (const [what, token] of Object.entries(bad)) {
    const response = await edge.api("GET", "/sites", token);
    expect({ what, status: response.status }).toEqual({ what, status: 401 });
    answers.add(await response.text());
  }
  expect(answers.size).toBe(1);
  expect((await edge.api("GET", "/sites", admin)).status).toBe(200);
});

test("a read-only admin token reads and changes nothing", async () => {
  await using edge = await testEdge();
  const token = await edge.ok("token", "admin", "--read-only");
  for (const path of ["/sites", "/tokens", "/mappings", "/status", "/log"]) {
    expect({ path, status: (await edge.api("GET", path, token)).status }).toEqual({ path, status: 200 });
  }
  const changes: [string, string, object?][] = [
    ["POST", "/sites", { name: "lab" }],
    ["DELETE", "/sites/lab"],
    ["POST", "/tokens", { kind: "admin" }],
    ["DELETE", "/tokens/x"],
    ["POST", "/mappings", {}],
    ["PATCH", "/mappings/8080%2Ftcp", {}],
    ["DELETE", "/mappings/8080%2Ftcp"],
  ];
  for (const [method, path, body] of changes) {
    const response = await edge.api(method, path, token, body);
    expect({ method, path, status: response.status, ...((await response.json()) as object) }).toMatchObject({
      method,
      path,
      status: 403,
      code: "read-only",
    });
  }
  const env = { SALLYPORT_EDGE: edge.url, SALLYPORT_ADMIN_TOKEN: token };
  expect(await edge.cli(["site", "add", "lab"], { env })).toMatchObject({ code: 7 });
});

test("a wrong secret is refused, further wrong ones have to wait, and the right one does not", async () => {
  await using edge = await testEdge();
  const wrong = join(edge.data, "wrong");
  await writeFile(wrong, "not the secret of this edge\n");
  // At once: a wait of five seconds is shorter than some machines take for a command.
  const tries = [1, 2].map(() => edge.cli(["login", edge.url, "--secret-file", wrong]));
  const answers = await Promise.all(tries);
  expect(answers.map(({ code, stderr }) => `${code} ${/error\[[\w-]+\]/.exec(stderr)?.[0]}`).toSorted()).toEqual([
    "4 error[login-penalty]",
    "4 error[secret-wrong]",
  ]);
  // Whoever is logged in already is not bothered, nor is whoever knows it.
  await edge.ok("site", "ls");
  await edge.login();
});

test("the first login names the edge; later ones by other names don't", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const issuer = async () => decodeJwt(await edge.ok("token", "agent", "lab", "--local")).iss;
  expect(await issuer()).toBe(edge.url);
  const response = await edge.api("POST", "/login", null, {
    secret: (await readFile(edge.secretFile, "utf8")).trim(),
    url: "https://edge.example",
  });
  expect(await response.json()).toMatchObject({ url: edge.url });
  expect(await issuer()).toBe(edge.url);
});

test("--public-url renames the edge, and tokens of its former name stay good", async () => {
  await using edge = await testEdge();
  const before = await edge.ok("token", "admin");
  await edge.stop();
  await edge.start("--public-url", "https://Edge.Example:443/");
  await edge.ok("site", "add", "lab");
  expect((await edge.api("GET", "/sites", before)).status).toBe(200);
  // An agent elsewhere can reach this one, so there is nothing to confirm.
  expect(decodeJwt(await edge.ok("token", "agent", "lab")).iss).toBe("https://edge.example");
});

test("revoked stays revoked, and says so", async () => {
  await using edge = await testEdge();
  const jti = String(decodeJwt(await edge.ok("token", "visitor", "--endpoint", "8080/tcp")).jti);
  await edge.ok("token", "revoke", jti);
  await edge.ok("token", "revoke", jti);
  await edge.stop();
  await edge.start();
  const tokens = await edge.json<TokenView[]>("token", "ls");
  expect(tokens.find((token) => token.jti === jti)).toMatchObject({ revoked: true, revokedAt: expect.any(String) });
});

test("a request that makes no sense is a 400 that says why", async () => {
  await using edge = await testEdge();
  const token = await edge.ok("token", "admin");
  const requests: [string, unknown][] = [
    ["/sites", undefined],
    ["/sites", { nam: "lab" }],
    ["/sites", { name: "x".repeat(10_000) }],
    ["/mappings", { note: nested(3_000) }],
    ["/tokens", { kind: "root" }],
    ["/tokens", { kind: "admin", targets: ["0.0.0.0/0"] }],
    ["/tokens", { kind: "admin", life: 1e12 }],
    ["/tokens", { kind: "visitor", endpoints: ["8080"] }],
    ["/mappings", { endpoint: "8080/tcp", site: "lab", target: "10.0.0.1:80", alow: [] }],
  ];
  for (const [path, body] of requests) {
    const response = await edge.api("POST", path, token, body);
    expect({ ...((await response.json()) as object), path, type: response.headers.get("content-type") }).toMatchObject({
      path,
      type: "application/problem+json",
      status: 400,
      code: expect.any(String),
      title: expect.any(String),
      detail: expect.any(String),
    });
  }
});

/** A list in a list, so many times. */
function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level += 1) value = [value];
  return value;
}
