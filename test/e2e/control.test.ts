import { decodeJwt, decodeProtectedHeader } from "jose";
import { expect, test } from "vitest";
import type { IssuedView, MappingView, SiteView, StatusView, TokenView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";

test("sites, tokens, mappings and keys survive a restart", async () => {
  await using edge = await testEdge({ tcp: "8080,8090-8092" });
  await edge.ok("site", "add", "warehouse-3");
  const token = await edge.ok("token", "agent", "warehouse-3", "--local", "--target", "192.168.2.0/24:80,443");
  await edge.ok("map", "add", "8080/tcp", "warehouse-3", "192.168.2.101:8080", "--name", "shop", "--owner", "Ann");
  await edge.ok("map", "add", "8090-8092/tcp", "warehouse-3", "192.168.2.102:8090");
  const before = [await edge.json("site", "ls"), await edge.json("token", "ls"), await edge.json("map", "ls")];

  expect(await edge.stop()).toMatchObject({ code: 0 });
  await edge.start();

  expect([await edge.json("site", "ls"), await edge.json("token", "ls"), await edge.json("map", "ls")]).toEqual(before);
  const { keys } = (await (await fetch(`${edge.url}/.sallyport/jwks.json`)).json()) as { keys: { kid: string }[] };
  expect(keys.map(({ kid }) => kid)).toContain(decodeProtectedHeader(token).kid);
});

test("an agent token says all that an agent needs", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  const token = await edge.ok(
    "token",
    "agent",
    "lab",
    "--local",
    "--target",
    "192.168.2.0/24:80,443",
    "--expires",
    "12h",
  );
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: "EdDSA", typ: "sallyport-agent+jwt" });
  const claims = decodeJwt(token);
  expect(claims).toMatchObject({
    iss: edge.url,
    aud: "sallyport:agent",
    site: "lab",
    targets: ["192.168.2.0/24:80,443"],
  });
  expect(claims.sub).toMatch(/^agent:lab:\w+$/);
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(12 * 3600);
});

test("what reads answer as JSON has its documented fields", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("token", "agent", "lab", "--local");
  await edge.ok(
    "map",
    "add",
    "8080/tcp",
    "lab",
    "10.0.0.5:80",
    "--allow-from",
    "192.0.2.0/24",
    "--expires",
    "2099-01-31",
  );

  expect(await edge.json<SiteView[]>("site", "ls")).toMatchObject([{ name: "lab" }]);
  expect(await edge.json<TokenView[]>("token", "ls")).toMatchObject([
    { kind: "admin", site: null, revoked: false },
    {
      kind: "agent",
      site: "lab",
      revoked: false,
      jti: expect.any(String),
      expires: expect.stringMatching(/^\d{4}-.*Z$/),
    },
  ]);
  const rule = {
    id: 1,
    endpoint: "8080/tcp",
    site: "lab",
    target: "10.0.0.5:80",
    access: "public",
    allow: ["192.0.2.0/24"],
  };
  expect(await edge.json<MappingView[]>("map", "ls")).toMatchObject([{ ...rule, expires: "2099-01-31T00:00:00.000Z" }]);
  expect(await edge.json<MappingView>("map", "show", "8080/tcp")).toMatchObject(rule);
  expect(await edge.json<StatusView>("status")).toMatchObject({
    url: edge.url,
    tcpPorts: "8080",
    sites: [{ name: "lab", state: "offline", relay: { name: "lab#1", seen: false, instance: null }, agents: [] }],
    mappings: [{ id: 1, endpoint: "8080/tcp", state: "no-agent", streams: 0, lastRefusal: null }],
  });
  expect(await edge.json("log")).toEqual([]);
});

test("ids of mappings are never used again", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80");
  await edge.ok("map", "rm", "8080/tcp");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.6:80");
  expect(await edge.json<MappingView[]>("map", "ls")).toMatchObject([{ id: 2, target: "10.0.0.6:80" }]);
});

test("a conflict names the other rule, a port that is not held the command that would hold it", async () => {
  await using edge = await testEdge({ tcp: "8080,8090-8099" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8090-8099/tcp", "lab", "10.0.0.5:8090", "--name", "cameras");

  const conflict = await edge.cli(["map", "add", "8095/tcp", "lab", "10.0.0.6:80"]);
  expect(conflict).toMatchObject({ code: 1, stdout: "" });
  expect(conflict.stderr).toContain(
    "error[conflict]: 8095/tcp is taken by mapping 1, 8090-8099/tcp -> lab 10.0.0.5:8090-8099 (cameras).",
  );

  const unheld = await edge.cli(["map", "add", "9000-9001/tcp", "lab", "10.0.0.6:80"]);
  expect(unheld).toMatchObject({ code: 3, stdout: "" });
  const command = `sallyport serve --data ${edge.data} --listen ${edge.host}:8787 --bind ${edge.host} --log json`;
  expect(unheld.stderr).toContain(`fix: Restart the edge with: ${command} --tcp 8080,8090-8099,9000-9001`);

  // By token it needs no public port.
  await edge.ok("map", "add", "9000-9001/tcp", "lab", "10.0.0.6:9000", "--access", "token");
  await edge.ok("map", "add", "lab/ssh", "lab", "10.0.0.6:22");
});

test("what can't be served is refused, with what can", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  const udp = await edge.cli(["map", "add", "5060/udp", "lab", "10.0.0.5:5060"]);
  expect(udp).toMatchObject({ code: 3, stderr: expect.stringContaining("error[udp-unserved]") });
  const own = await edge.cli(["map", "add", edge.url, "lab", "10.0.0.5:80"]);
  expect(own).toMatchObject({ code: 3, stderr: expect.stringContaining("error[control-host]") });
});

test("an accepted mapping that is open to everyone is accepted with a warning", async () => {
  await using edge = await testEdge({ tcp: "22,2222" });
  await edge.ok("site", "add", "lab");
  const { code, stderr } = await edge.cli(["map", "add", "22/tcp", "lab", "10.0.0.5:22"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/warning: Port 22 is where scanners look for SSH first[^]*warning: Anyone on the internet/);
});

test("a site with mappings stays; a removed one takes its tokens along, and its name starts afresh", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("token", "agent", "lab", "--local");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80");
  expect(await edge.cli(["site", "rm", "lab"])).toMatchObject({ code: 1, stderr: expect.stringContaining("8080/tcp") });
  await edge.ok("map", "rm", "8080/tcp");
  await edge.ok("site", "rm", "lab");
  const tokens = await edge.json<TokenView[]>("token", "ls");
  expect(tokens.filter(({ kind }) => kind === "agent")).toMatchObject([{ site: "lab", revoked: true }]);
  await edge.ok("site", "add", "lab");
  expect((await edge.json<StatusView>("status")).sites).toMatchObject([{ name: "lab", relay: { name: "lab#2" } }]);
});

test("commands exit as documented", async () => {
  await using edge = await testEdge();
  const codes: [number, string, string[]][] = [
    [1, "site-exists", ["site", "add", "lab"]],
    [1, "no-such-mapping", ["map", "rm", "8080/tcp"]],
    [1, "no-such-site", ["map", "add", "8080/tcp", "nowhere", "10.0.0.5:80"]],
    [1, "no-such-token", ["token", "revoke", "deadbeef"]],
    [2, "usage", ["map", "add", "8080/tcp"]],
    [2, "usage", ["frobnicate"]],
    [2, "usage", ["map", "ls", "--unknown"]],
    [2, "usage", ["map", "add", "8080/tcp", "lab", "10.0.0.5:80", "--access", "everyone"]],
    [2, "bad-endpoint", ["map", "add", "8080", "lab", "10.0.0.5:80"]],
    [2, "bad-name", ["site", "add", "Not a name"]],
    [2, "duration-invalid", ["token", "admin", "--expires", "soon"]],
    [3, "url-loopback", ["token", "agent", "lab"]],
    [3, "plain-http", ["login", "http://192.0.2.1:8787"]],
  ];
  await edge.ok("site", "add", "lab");
  for (const [code, name, words] of codes) {
    const ended = await edge.cli(words);
    expect({
      words,
      code: ended.code,
      stdout: ended.stdout,
      error: /^error\[([\w-]+)\]/m.exec(ended.stderr)?.[1],
    }).toEqual({ words, code, stdout: "", error: name });
  }
  for (const words of [["--help"], ["map", "--help"], ["version"], ["--version"]]) {
    expect({ words, ...(await edge.cli(words)) }).toMatchObject({ code: 0, stderr: "" });
  }
});

test("with --json a problem is one JSON line on standard error", async () => {
  await using edge = await testEdge();
  const { code, stdout, stderr } = await edge.cli(["map", "show", "8080/tcp", "--json"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(JSON.parse(stderr)).toEqual({ code: "no-such-mapping", cause: expect.any(String), fix: expect.any(String) });
});

test("the edge can be named by environment instead of a login", async () => {
  await using edge = await testEdge();
  const token = await edge.ok("token", "admin");
  const alone = { SALLYPORT_CONFIG_DIR: `${edge.data}/nowhere` };
  expect(await edge.cli(["site", "ls"], { env: alone })).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error[no-login]"),
  });
  const named = { ...alone, SALLYPORT_EDGE: edge.url, SALLYPORT_ADMIN_TOKEN: token };
  expect(await edge.cli(["site", "ls", "--json"], { env: named })).toMatchObject({ code: 0, stdout: "[]\n" });
  expect(await edge.cli(["site", "ls"], { env: { ...named, SALLYPORT_ADMIN_TOKEN: `${token}x` } })).toMatchObject({
    code: 4,
  });
  expect(await edge.cli(["site", "ls"], { env: { ...named, SALLYPORT_EDGE: `http://${edge.host}:1` } })).toMatchObject({
    code: 5,
  });
});

test("a token is shown once and alone, so that it can go into a file", async () => {
  await using edge = await testEdge();
  const { stdout } = await edge.cli(["token", "visitor", "--endpoint", "8080/tcp", "--from", "192.0.2.0/24"]);
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const list = await edge.ok("token", "ls", "--json");
  expect(list).not.toContain(stdout.trim().split(".")[2]);
  expect(JSON.parse(list)).toMatchObject([
    {},
    { kind: "visitor", site: null, scope: ["8080/tcp"] } satisfies Partial<IssuedView & TokenView>,
  ]);
});
