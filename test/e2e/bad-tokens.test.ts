import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt, type JWK } from "jose";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { badTokens } from "../support/bad-tokens.ts";
import { testEdge } from "../support/edge.ts";
import { requestFrom } from "../support/request.ts";

test("bad tokens are refused alike, before a relay wakes", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "lab/ssh", "lab", "127.0.0.1:22");
  const { keys } = (await (await fetch(`${edge.url}/.sallyport/jwks.json`)).json()) as {
    keys: (JWK & { kid: string })[];
  };
  const [key] = keys;
  if (key === undefined) throw new Error("no key");
  const kinds = {
    agent: await edge.ok("token", "agent", "lab", "--local"),
    visitor: await edge.ok("token", "visitor", "--endpoint", "lab/ssh"),
    gateway: await edge.ok("token", "gateway"),
    admin: await edge.ok("token", "admin"),
  };
  const expired = await edge.ok("token", "visitor", "--endpoint", "lab/ssh", "--expires", "1s");
  const revoked = {
    agent: await edge.ok("token", "agent", "lab", "--local"),
    visitor: await edge.ok("token", "visitor", "--endpoint", "lab/ssh"),
  };
  for (const token of Object.values(revoked)) await edge.ok("token", "revoke", String(decodeJwt(token).jti));
  await sleep(Math.max(0, Number(decodeJwt(expired).exp) * 1000 + 50 - Date.now()));
  const routes: [path: string, good: keyof typeof kinds, upgrade: boolean][] = [
    ["agent", "agent", true],
    ["connect?site=lab", "visitor", true],
    ["connect", "gateway", false],
    ["tcp/lab/ssh", "visitor", true],
    ["api/v1/sites", "admin", false],
  ];
  for (const [path, good, upgrade] of routes) {
    const others = Object.entries(kinds).filter(
      ([kind]) =>
        kind !== good && !(good !== "agent" && good !== "admin" && (kind === "visitor" || kind === "gateway")),
    );
    const bad = {
      ...badTokens(kinds[good], key),
      expired,
      ...(good === "agent" ? revoked : { revoked: revoked.visitor }),
      ...Object.fromEntries(others),
    };
    const answers = new Map<string, string[]>();
    const note = async (name: string, headers: Readonly<Record<string, string>>): Promise<void> => {
      const socket = {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "sallyport.v1",
      };
      const { status, body } = await requestFrom("127.0.0.1", "GET", `${edge.url}/.sallyport/${path}`, {
        ...(upgrade ? socket : {}),
        ...headers,
      });
      answers.set(`${status} ${body}`, [...(answers.get(`${status} ${body}`) ?? []), name]);
    };
    for (const [name, token] of Object.entries(bad)) await note(name, { authorization: `Bearer ${token}` });
    await note("no token", {});
    await note("another scheme", { authorization: `Basic ${kinds[good]}` });
    await note("two tokens", { authorization: `Bearer ${kinds[good]}, Bearer ${kinds[good]}` });
    await note("in a cookie", { cookie: `token=${kinds[good]}; sallyport-tcp=${kinds[good]}` });
    await note("in the sub-protocol", {
      "sec-websocket-protocol": `sallyport.v1, base64url.bearer.authorization.k8s.io.${kinds[good]}`,
    });
    expect({ path, answers: [...answers.keys()] }).toEqual({
      path,
      answers: [expect.stringMatching(/^401 \{.*"code":"token-refused"/)],
    });
  }
  // Nobody but an agent's good token makes a relay.
  const relays = join(edge.data, "storage", "sallyport-relay");
  const objects = existsSync(relays) ? readdirSync(relays).filter((name) => /^[0-9a-f]{64}\b/.test(name)) : [];
  expect(objects).toEqual([]);
});
