import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { encodeControl } from "../../shared/wire/control.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import { encodeDial, type Kind } from "../../shared/wire/open.ts";
import { anyFrame, randomOf, type Random } from "../support/any-frame.ts";
import { againAgent, hostileRelay, session } from "../support/hostile-relay.ts";
import { madeToken } from "../support/made-token.ts";
import { loopback } from "../support/net.ts";
import { tcpServer, udpServer } from "../support/peers.ts";
import type { Run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { WELCOME } from "../support/welcome.ts";

// The edge cannot widen what an agent's token and its own --allow and --deny say: by any frame, in any order.

test.each(["token", "--allow", "--deny"])(
  "an agent whose %s leaves a target out never dials it, whatever frames come in whatever order",
  async (limit) => {
    const random = randomOf(["token", "--allow", "--deny"].indexOf(limit) + 7);
    const [within, outside] = [loopback(), loopback()];
    let reached = 0;
    await using allowed = await tcpServer(within, 0, (socket) => void socket.end());
    await using denied = await tcpServer(outside, 0, () => void (reached += 1));
    await using udp = await udpServer(outside, denied.port, (socket) => socket.on("message", () => (reached += 1)));
    const edge: { url: string } = { url: "" };
    const next = (): object => successor(random, present(edge.url, limit, targetsOf(limit)));
    const targetsOf = (which: string): string[] =>
      which === "token" ? [`${within}:${allowed.port}`] : [`${within}:${allowed.port}`, outside];
    await using relay = await hostileRelay({
      welcome: () => (random(8) === 0 ? { ...WELCOME, renew: true } : strangeWelcome(random)),
      renew: () => (random(4) === 0 ? undefined : next()),
    });
    edge.url = relay.url;
    await using folder = await tempDir();
    await using stack = new AsyncDisposableStack();
    const file = join(folder.path, "token");
    const given = madeToken("agent", present(relay.url, limit, targetsOf(limit)));
    await writeFile(file, given, { mode: 0o600 });
    const words = limit === "token" ? [] : limit === "--allow" ? ["--allow", within] : ["--deny", outside];
    const agent = againAgent(file, words, stack);

    const spellings = [outside, `[::ffff:${outside}]`, "localhost"].map((host) => `${host}:${udp.port}`);
    for (let round = 0; round < 30; round += 1) {
      await served(relay, agent, `${within}:${allowed.port}`);
      for (let count = 0; count < 12; count += 1) {
        relay.say(hostileFrame(random, next));
        relay.say(dial(random, spellings));
      }
    }
    // The last of it has been dealt with once an allowed target is dialled again, and the denied one is not.
    await served(relay, agent, `${within}:${allowed.port}`);
    for (const target of spellings) {
      for (const kind of ["tcp", "udp", "http"] as const)
        expect(await settled(relay, kind === "http" ? `http://${target}` : target, kind)).toMatch(
          /^target-denied|^silence/,
        );
    }
    expect(reached).toBe(0);
    expect(agent.stderr).not.toMatch(/uncaught|unhandled|TypeError|RangeError|\bat .*\.js:/i);

    // Nor does the next start find anything else: what was kept grants the same.
    agent.kill("SIGKILL");
    await agent.ended;
    const kept = decodeJwt((await readFile(file, "utf8")).trim());
    expect(grantsOf(kept)).toEqual(grantsOf(decodeJwt(given)));
    const again = againAgent(file, words, stack);
    await served(relay, again, `${within}:${allowed.port}`);
    for (const target of spellings) expect(await settled(relay, target, "tcp")).toMatch(/^target-denied|^silence/);
    expect(reached).toBe(0);
  },
);

test("an own request that is answered with more is refused with the difference, and one that is answered well is taken", async () => {
  // The same answer until the agent has said what it makes of it: a slow agent asks again before it has read the first.
  let answer: object | undefined;
  await using relay = await hostileRelay({ renew: () => answer });
  await using folder = await tempDir();
  await using stack = new AsyncDisposableStack();
  const file = join(folder.path, "token");
  const claims = present(relay.url, "token", ["10.0.0.0/8:80"]);
  const now = Math.floor(Date.now() / 1000);
  const later = { ...claims, iat: now, exp: now + (claims.exp - claims.iat), jti: "token-0002" };
  const given = madeToken("agent", claims);
  await writeFile(file, given, { mode: 0o600 });
  answer = { token: madeToken("agent", { ...later, targets: ["0.0.0.0/0"] }) };
  const agent = againAgent(file, [], stack);
  await agent.until(/"msg":"the edge sent another token than was asked for.*targets is .*0\.0\.0\.0\/0/);
  expect((await readFile(file, "utf8")).trim()).toBe(given);
  answer = { token: `${madeToken("agent", later).split(".").slice(0, 2).join(".")}.AAAA` };
  await agent.until(/"msg":"the edge sent another token than was asked for.*form of a token/);
  expect((await readFile(file, "utf8")).trim()).toBe(given);
  answer = { token: madeToken("agent", later) };
  await agent.until(/"msg":"token renewed"/);
  expect((await readFile(file, "utf8")).trim()).toBe(madeToken("agent", later));
});

type Relay = Awaited<ReturnType<typeof hostileRelay>>;
type Present = ReturnType<typeof present>;

/** Claims of a token whose renewal is due: the agent asks for a successor by itself, every second. */
function present(iss: string, limit: string, targets: readonly string[]) {
  const now = Math.floor(Date.now() / 1000);
  const life = { iat: now - 25, exp: now + 5, jti: `present-${limit.replace(/\W/g, "")}` };
  return { iss, aud: "sallyport:agent", sub: "agent:lab:1", site: "lab", targets, ...life };
}

function grantsOf({ iss: _iss, iat: _iat, exp: _exp, jti: _jti, ...grants }: object & Record<string, unknown>): object {
  return grants;
}

/** What an edge may answer to RENEW: a good successor now and then, else one that grants more, or none at all. */
function successor(random: Random, claims: Present): object {
  const now = Math.floor(Date.now() / 1000);
  const later = { ...claims, iat: now, exp: now + (claims.exp - claims.iat), jti: `renewed-${random(10 ** 9)}` };
  const wide = { ...later, targets: ["0.0.0.0/0", "[::/0]"] };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  return pick<() => object>([
    () => ({ token: madeToken("agent", later) }),
    () => ({ token: madeToken("agent", wide) }),
    () => ({ token: `${madeToken("agent", wide).split(".").slice(0, 2).join(".")}.AAAA` }),
    () => ({ token: madeToken("agent", { ...wide, publish: ["lab/*"] }) }),
    () => ({ token: madeToken("agent", { ...wide, exp: now + 10 ** 7 }) }),
    () => ({ token: madeToken("agent", { ...later, sub: "agent:lab:2", targets: wide.targets }) }),
    () => ({ token: madeToken("gateway", { ...wide, aud: "sallyport:gateway" }) }),
    () => ({ code: "early", reason: "not yet" }),
    () => ({}),
  ])();
}

/** WELCOME with whatever its schema permits. */
function strangeWelcome(random: Random): object {
  const number = (): number => [0, 1, 60_000, 600_000][random(4)] ?? 0;
  return {
    ...WELCOME,
    boot: ["b", "c"][random(2)],
    site: ["lab", "office", "0.0.0.0/0"][random(3)],
    graceMs: number(),
    budget: [65_536, 8_000_000][random(2)],
    features: ["ask-budget", "targets=0.0.0.0/0"],
    targets: ["0.0.0.0/0"],
    allow: ["0.0.0.0/0"],
  };
}

/** Any frame of the alphabet, those that the lane itself takes among them. */
function hostileFrame(random: Random, renewed: () => object): Uint8Array {
  switch (random(8)) {
    case 0:
    case 1:
      return encodeControl(TYPE.RENEW, renewed());
    case 2:
      return encodeControl(TYPE.WELCOME, { ...strangeWelcome(random), renew: random(2) === 0 });
    case 3:
      return encodeControl(TYPE.GOAWAY, { code: "draining", reason: "x" }, random(60_000));
    case 4:
      return encodeControl(TYPE.CUT, { token: "x", code: "cut", reason: "y" });
    case 5:
      return session(random(3));
    case 6:
      return encodeFrame({ type: TYPE.BUDGET, offset: 65_536 * (1 + random(100)) });
    default:
      return anyFrame(random);
  }
}

/** A DIAL of a denied target, with whatever options and fields an edge might hope to be believed. */
function dial(random: Random, targets: readonly string[]): Uint8Array {
  const kind = (["tcp", "udp", "http"] as const)[random(3)] ?? "tcp";
  const target = targets[random(targets.length)] ?? "";
  const options = [
    "",
    '{"probe":true}',
    '{"allow":["0.0.0.0/0"],"targets":["0.0.0.0/0"]}',
    '{"proxyProtocol":"v1"}',
    '{"tlsVerify":false,"sni":"localhost","hostHeader":"target"}',
    '{"hostHeader":5}',
  ];
  const payload = encodeDial({
    target: kind === "http" ? `http://${target}` : target,
    kind,
    mapping: random(3),
    endpoint: "8080/tcp",
    visitor: "192.0.2.1:5",
    options: options[random(options.length)] ?? "",
    token: "",
    grant: "",
    ref: "",
  });
  const fields = random(4) === 0 ? encodeFields({ 11: "0.0.0.0/0", 12: 1 }) : new Uint8Array(0);
  const frame = { type: TYPE.DIAL, channel: random(3), stream: 100 + random(100_000), offset: 16_384 };
  return encodeFrame(frame, Buffer.concat([payload, fields]));
}

/** Begins anew until the agent, whose lanes may have been ended, dials what it may. Throws when it has ended. */
async function served(relay: Relay, agent: Run, target: string): Promise<void> {
  const gone = agent.ended.then(({ code, stderr }) => {
    throw new Error(`the agent ended with ${code}: ${stderr.slice(-2_000)}`);
  });
  do {
    relay.anew();
    await pause(20);
  } while ((await Promise.race([gone, relay.dial(target, "tcp", 1, 1_000)])) !== "accepted");
}

/** The answer to a DIAL; what the agent takes for malformed ends the lane, and is silence. */
async function settled(relay: Relay, target: string, kind: Kind): Promise<string> {
  return relay.dial(target, kind, 1, 2_000);
}
