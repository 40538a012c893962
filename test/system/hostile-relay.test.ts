import { setTimeout as pause } from "node:timers/promises";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Client } from "../../link/client.ts";
import { Dialler } from "../../link/dial/dialler.ts";
import type { Log } from "../../link/log.ts";
import { SYSTEM_NODE } from "../../scripts/tool.ts";
import { encodeControl } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { DIALS_IN_FLIGHT } from "../../shared/wire/limits.ts";
import type { Kind } from "../../shared/wire/open.ts";
import { anyFrame, randomOf } from "../support/any-frame.ts";
import { DISGUISES, GARBAGE } from "../support/bad-targets.ts";
import { hostileRelay, session, startAgent } from "../support/hostile-relay.ts";
import { httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unsignedToken } from "../support/unsigned-token.ts";

// An edge in hostile hands: it says WELCOME to anybody, and DIAL for whatever it likes.

test("an agent dials nothing but what its token and its own rules allow, whatever the relay says", async () => {
  const [within, outside] = [loopback(), loopback()];
  let connections = 0;
  await using allowed = await tcpServer(within, 0, (socket) => void socket.end());
  await using denied = await tcpServer(outside, 0, () => void (connections += 1));
  await using relay = await hostileRelay();
  await using folder = await tempDir();
  await using stack = new AsyncDisposableStack();
  // The token has one address and port more than --allow, and --allow one more than the token.
  const targets = [`${within}/32:${allowed.port}`, `${within}/32:1`, "10.9.9.9/32:80"];
  const allow = [`${within}:${allowed.port}`, outside, "10.9.9.9", "localhost"].flatMap((rule) => ["--allow", rule]);
  const agent = await startAgent({ edge: relay.url, targets, words: [...allow, "--deny", "10.9.9.9"] }, stack);
  await agent.until(/"msg":"ready"/);

  expect(await relay.dial(`${within}:${allowed.port}`, "tcp")).toBe("accepted");
  const { port } = denied;
  const numbers = outside.split(".").map(Number) as [number, number, number, number];
  const integer = numbers.reduce((sum, byte) => sum * 256 + byte, 0);
  const refused: [target: string, kind: Kind][] = [
    [`${outside}:${port}`, "tcp"],
    [`${outside}:${port}`, "udp"],
    [`http://${outside}:${port}`, "http"],
    [`https://${outside}:${port}`, "http"],
    [`[::ffff:${outside}]:${port}`, "tcp"],
    [`${integer}:${port}`, "tcp"],
    [`0x${integer.toString(16)}:${port}`, "tcp"],
    [`${numbers.map((byte) => `0${byte.toString(8)}`).join(".")}:${port}`, "tcp"],
    [`localhost:${port}`, "tcp"],
    [`${within}:1`, "tcp"],
    [`${within}:${port}`, "tcp"],
    ["10.9.9.9:80", "tcp"],
    ["169.254.169.254:80", "tcp"],
    ["http://169.254.169.254", "http"],
    ["[64:ff9b::a9fe:a9fe]:80", "tcp"],
    [`unix:${join(folder.path, "x.sock")}`, "http"],
    ["unix:/var/run/docker.sock", "http"],
    [`0.0.0.0:${port}`, "tcp"],
    [`[::]:${port}`, "tcp"],
    [`[::1]:${port}`, "tcp"],
    [`${within}:0`, "tcp"],
    [`${within}:65536`, "tcp"],
    [`${within}:${allowed.port} ${outside}:${port}`, "tcp"],
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`${host}:${port}`, "tcp"]),
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`${host}:${port}`, "udp"]),
    ...DISGUISES.map((host): [target: string, kind: Kind] => [`http://${host}:${port}`, "http"]),
    ...GARBAGE.map((target): [target: string, kind: Kind] => [target, "tcp"]),
    ...GARBAGE.map((target): [target: string, kind: Kind] => [target, "http"]),
  ];
  for (const [target, kind] of refused) {
    const answer = await relay.dial(target, kind);
    expect({ target, kind, answer }).toEqual({
      target,
      kind,
      answer: expect.stringMatching(/^(target-denied|target-unresolved|internal)$/),
    });
  }
  expect(connections).toBe(0);
  // It did not take offence, and goes on.
  expect(await relay.dial(`${within}:${allowed.port}`, "tcp")).toBe("accepted");
});

test("rules that a reload narrows hold for connections to an HTTP target that were kept alive, too", async () => {
  await using relay = await hostileRelay();
  await using folder = await tempDir();
  await using stack = new AsyncDisposableStack();
  const kept = new Set<unknown>();
  let asked = 0;
  await using origin = await httpOrigin((request, response) => {
    kept.add(request.socket);
    asked += 1;
    response.end("ok");
  });
  const { host } = new URL(origin.url);
  const config = join(folder.path, "agent.toml");
  await writeFile(config, "");
  const agent = await startAgent({ edge: relay.url, words: ["--config", config] }, stack);
  await agent.until(/"msg":"ready"/);
  // Until one request has gone over the connection of an earlier one.
  while (kept.size === asked) expect(await relay.dial(`http://${host}`, "http")).toBe("accepted");
  await writeFile(config, `deny = ["${host.replace(/:.*/, "")}"]\n`);
  agent.kill("SIGHUP");
  await agent.until(/"msg":"reloaded"/);
  expect(await relay.dial(`http://${host}`, "http")).toBe("target-denied");
});

test("what no relay would say ends the lane, not the agent", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  const renewals: object[] = [
    { token: "x.y.z" },
    { token: unsignedToken("shop", relay.url) },
    { token: "a".repeat(8_000) },
    { code: "early", reason: "\u001b[2Jnot yet" },
  ];
  for (const answer of renewals) relay.say(encodeControl(TYPE.RENEW, answer));
  while ((agent.stderr.match(/"msg":"the edge answered a RENEW that was not sent/g) ?? []).length < renewals.length)
    await pause(20);
  expect(await relay.dial("127.0.0.1:1", "tcp")).toBe("target-refused");
  // The token is still its own, and so is the file.
  expect(agent.stderr).not.toMatch(/"msg":"token renewed"/);
});

test("an agent that loses a lane has its callers settle what was on its way; one that stops says nothing of dialling", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await relay.complete;
  for (const channel of [5, 9]) relay.say(session(channel));
  // The agent has taken both sessions once it answers this dial, which is on the relay's own channel 0.
  expect(await relay.dial("127.0.0.1:1", "tcp")).toBe("target-refused");
  relay.loseLane();
  // The relay may still hold its end of the lane, and is told too.
  while (relay.nudged.size < 3) await pause(20);
  expect(relay.nudged).toEqual(new Set([0, 5, 9]));
  agent.kill("SIGTERM");
  await agent.ended;
  expect(agent.stderr).not.toMatch(/not connected/);
});

const OVERRUN = "the backlog is larger than credit allows";

test("an agent warns when the edge ends one of its lanes for what was sent on it, and says why; of one that breaks it says nothing", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await relay.complete;
  relay.loseLane();
  relay.endLane(LANE_CLOSE.overrun, OVERRUN);
  await agent.until(
    new RegExp(`"level":"warn","msg":"a lane was lost","lane":\\d,"reason":"the edge ended .*${OVERRUN}"`),
  );
  agent.kill("SIGTERM");
  await agent.ended;
  expect(agent.stderr.match(/a lane was lost/g)).toHaveLength(1);
});

test("a client, and a gateway, warns of the same with the name of the site", async () => {
  await using relay = await hostileRelay();
  const warned = Promise.withResolvers<object>();
  const log: Log = (level, message, fields = {}) => level === "warn" && warned.resolve({ message, ...fields });
  const ignore = (): void => undefined;
  const edge = new URL(relay.url.replace("http", "ws"));
  await using client = new Client(
    { edge, kind: "client", dialler: new Dialler(), token: () => "x", log },
    { routes: ignore, stopped: ignore, drained: ignore },
  );
  client.use("lab");
  await relay.complete;
  relay.endLane(LANE_CLOSE.overrun, OVERRUN);
  expect(await warned.promise).toEqual({
    message: "a lane was lost",
    site: "lab",
    lane: expect.any(Number),
    reason: `the edge ended the lane: ${OVERRUN}`,
  });
});

test("a mapping whose target answers nobody has half of all dials in flight; those beyond are refused at once, and another mapping is dialled", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  // It listens, but is stopped: once its short queue is full, connects wait for ever.
  const host = loopback();
  const listen = `require("net").createServer().listen(0, "${host}", 1, function () { console.log("port " + this.address().port + "."); })`;
  await using target = run(SYSTEM_NODE, ["-e", listen]);
  const [, port = ""] = await target.until(/port (\d+)\./);
  target.kill("SIGSTOP");
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  const beyond = 50;
  await using echo = await tcpServer(loopback());
  const silent = Array.from({ length: DIALS_IN_FLIGHT / 2 + beyond }, () => relay.dial(`${host}:${port}`, "tcp"));
  // What was on a lane that the agent replaced meanwhile, on a busy machine, nobody answers.
  let other = "silence";
  while (other === "silence") other = await relay.dial(`${echo.host}:${echo.port}`, "tcp", 2);
  expect(other).toBe("accepted");
  const answers = await Promise.all(silent);
  const busy = answers.filter((answer) => answer === "busy").length;
  // The few that its queue took made room for as many others.
  expect(busy).toBeGreaterThan(beyond - 10);
  expect(busy).toBeLessThanOrEqual(beyond);
  target.kill("SIGCONT");
});

test("an agent in hostile hands answers, ends a session or ends a lane, and goes on", async () => {
  await using relay = await hostileRelay();
  await using stack = new AsyncDisposableStack();
  const agent = await startAgent({ edge: relay.url }, stack);
  await agent.until(/"msg":"ready"/);
  await using echo = await tcpServer(loopback());
  const at = `${echo.host}:${echo.port}`;
  const random = randomOf(42);
  for (let round = 0; round < 40; round += 1) {
    for (let count = 0; count < 10; count += 1) relay.say(anyFrame(random));
    // Whatever that has ended, the next who comes is served.
    if (round % 20 === 19) {
      do relay.anew();
      while ((await relay.dial(at, "tcp")) !== "accepted");
    }
  }
  expect(agent.stderr).not.toMatch(/uncaught|unhandled|TypeError|RangeError|\bat .*\.js:/i);
});
