/** Clocks that are set by an hour and by two days, either way, at each end, while streams are open and tokens live. */
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { ConnectionList } from "../../shared/rule/api.ts";
import { testClock, type Clock } from "../support/clock.ts";
import { TestEdge } from "../support/edge.ts";
import { ANYWHERE } from "../support/targets.ts";
import { echoServer, exchange } from "../support/lan.ts";
import { loopback } from "../support/net.ts";
import { run, type Run } from "../support/run.ts";
import { listeningAt } from "../support/site.ts";
import { tempDir } from "../support/temp-dir.ts";

const HOUR = 3_600;
const DAY = 24 * HOUR;
/** Seconds ahead of this machine's clock, one after the other. */
const SETTINGS = [HOUR, 0, -HOUR, 0, 2 * DAY, 0, -2 * DAY, 0];

type End = "edge" | "agent" | "client" | "gateway";

/** An edge, an agent, a client and a gateway, one of which goes by a clock of its own. */
class World implements AsyncDisposable {
  readonly edge: TestEdge;
  readonly clock: Clock;
  readonly #folder: string;
  readonly #stack: AsyncDisposableStack;
  readonly #end: End;

  constructor(edge: TestEdge, clock: Clock, folder: string, end: End, stack: AsyncDisposableStack) {
    this.edge = edge;
    this.clock = clock;
    this.#folder = folder;
    this.#end = end;
    this.#stack = stack;
  }

  /** A program of ours with a token of its own, given out with these words. */
  async start(end: End, issue: readonly string[], ...words: readonly string[]): Promise<Run> {
    const file = join(this.#folder, end);
    await writeFile(file, await this.edge.ok("token", ...issue), { mode: 0o600 });
    const program = end === "agent" ? [AGENT] : [SALLYPORT, end === "client" ? "connect" : "gateway"];
    const args = [...program, ...words, "--token-file", file, "--log", "json"];
    const env = { SALLYPORT_RUN_DIR: this.#folder, ...(end === this.#end ? this.clock.env : {}) };
    const started = this.#stack.use(run(SYSTEM_NODE, args, { env }));
    await started.until(/"msg":"ready"/);
    return started;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function world(context: TestContext, end: End): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const clock = await testClock(context, folder.path);
  const edge = new TestEdge(loopback(), folder.path, { tcp: "8080,8090" }, stack.use(new AsyncDisposableStack()));
  if (end === "edge") edge.env = clock.edgeEnv;
  await edge.start();
  await edge.login();
  await edge.ok("site", "add", "lab");
  const echo = stack.use(await echoServer());
  await edge.ok("map", "add", "8080/tcp", "lab", echo.address);
  await edge.ok("map", "add", "8090/tcp", "lab", echo.address);
  return new World(edge, clock, folder.path, end, stack.move());
}

/** A connection that stays open, and is answered line by line. */
class Held implements Disposable {
  readonly #socket: Socket;
  #heard = Promise.withResolvers<string>();

  constructor(host: string, port: number) {
    this.#socket = connect(port, host);
    this.#socket.setEncoding("utf8").on("error", () => undefined);
    this.#socket.on("data", (text: string) => this.#heard.resolve(text));
    this.#socket.on("close", () => this.#heard.resolve(""));
  }

  /** What comes back for a line; "" when it was cut off. */
  async say(line: string): Promise<string> {
    if (this.#socket.destroyed) return "";
    this.#heard = Promise.withResolvers();
    this.#socket.write(line);
    return this.#heard.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** The first answer that is not "". */
async function answered(ask: () => Promise<string>): Promise<string> {
  let answer = await ask();
  while (answer === "") answer = await ask();
  return answer;
}

test.for<End>(["agent", "client", "gateway"])(
  "the clock of the %s is set on and back: streams go on, and tokens end by the edge's clock",
  async (end, context) => {
    await using all = await world(context, end);
    const { edge, clock } = all;
    // Wrong from the start: by this clock the tokens are over.
    clock.set(2 * DAY);
    const agent = await all.start("agent", ["agent", "lab", "--local", ...ANYWHERE, "--expires", "30m"]);
    // Half an hour: by another clock than the edge's it is over, or has not begun.
    const client = await all.start(
      "client",
      ["visitor", "--endpoint", "8090/tcp", "--expires", "30m"],
      "8090/tcp=127.0.0.1:0",
    );
    const gateway = await all.start("gateway", ["gateway", "--expires", "30m"], "--bind", loopback());
    const places = await Promise.all([client, gateway].map((caller) => listeningAt(caller, "8090/tcp")));
    places.push({ host: edge.host, port: 8080 });
    using disposables = new DisposableStack();
    const held = places.map(({ host, port }) => disposables.use(new Held(host, port)));
    for (const seconds of [0, ...SETTINGS]) {
      clock.set(seconds);
      for (const each of held) expect(await each.say(`held ${seconds}`)).toBe(`held ${seconds}`);
      for (const { host, port } of places) expect(await exchange(host, port, `new ${seconds}`)).toBe(`new ${seconds}`);
    }
    // Longer than any timer of theirs that would notice.
    for (const seconds of [2 * DAY, -2 * DAY]) {
      clock.set(seconds);
      for (let look = 0; look < 4; look += 1) {
        await edge.json("status");
        for (const each of held) expect(await each.say(`look ${look}`)).toBe(`look ${look}`);
      }
    }
    // What agents tell of streams has times of the edge.
    const { connections } = await edge.ask<ConnectionList>("GET", "/log");
    const now = Date.now();
    for (const { at, ended } of connections) {
      expect(Math.abs(now - Date.parse(at))).toBeLessThan(HOUR * 1000);
      expect(Math.abs(now - Date.parse(ended))).toBeLessThan(HOUR * 1000);
    }
    // They let open streams finish first.
    disposables.dispose();
    for (const program of [agent, client, gateway]) {
      expect(program.stderr).not.toMatch(/expired|not connected|"level":"error"/);
      program.kill("SIGTERM");
      expect(await program.ended).toMatchObject({ code: 0 });
    }
  },
);

test("the clock of the edge is set on and back: agents, clients and gateways go on with the tokens they have", async (context) => {
  await using all = await world(context, "edge");
  const { edge, clock } = all;
  const agent = await all.start("agent", ["agent", "lab", "--local", ...ANYWHERE, "--expires", "30d"]);
  const client = await all.start(
    "client",
    ["visitor", "--endpoint", "8090/tcp", "--expires", "30d"],
    "8090/tcp=127.0.0.1:0",
  );
  const gateway = await all.start("gateway", ["gateway", "--expires", "30d"], "--bind", loopback());
  const places = await Promise.all([client, gateway].map((caller) => listeningAt(caller, "8090/tcp")));
  using disposables = new DisposableStack();
  const held = places.map(({ host, port }) => disposables.use(new Held(host, port)));
  for (const each of held) expect(await each.say("before")).toBe("before");
  let before = 0;
  for (const seconds of SETTINGS) {
    // At the edge's own port too, streams go on when the clock is set on; set back, workerd is started again.
    const isBack = seconds < before;
    before = seconds;
    using own = new Held(edge.host, 8080);
    expect(await own.say("held")).toBe("held");
    const said = edge.serve.stderr.length;
    clock.set(seconds);
    const noticed = isBack ? "back by \\d+ s; starting workerd again[^]*workerd is back" : "forward by \\d+ s";
    await edge.serve.until(new RegExp(`^[^]{${said},}the clock was set ${noticed}`));
    if (!isBack) expect(await own.say(`still ${seconds}`)).toBe(`still ${seconds}`);
    for (const each of held) expect(await each.say(`held ${seconds}`)).toBe(`held ${seconds}`);
    // New ones are let in at once when it was set on; after a start, as soon as the agent is back.
    const once = (): Promise<string> => exchange(edge.host, 8080, `new ${seconds}`);
    expect(await (isBack ? answered(once) : once())).toBe(`new ${seconds}`);
    for (const { host, port } of places) expect(await exchange(host, port, `new ${seconds}`)).toBe(`new ${seconds}`);
    expect(await edge.json<unknown[]>("site", "ls")).toHaveLength(1);
  }
  // They let open streams finish first.
  disposables.dispose();
  for (const program of [agent, client, gateway]) {
    program.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
  }
});

test("what has ended by the edge's clock is over as soon as that is set on", async (context) => {
  await using all = await world(context, "edge");
  const { edge, clock } = all;
  await all.start("agent", ["agent", "lab", "--local", ...ANYWHERE, "--expires", "30d"]);
  await edge.ok("map", "edit", "8080/tcp", "--expires", "20m");
  await edge.ok("map", "edit", "8090/tcp", "--expires", "20m");
  const client = await all.start(
    "client",
    ["visitor", "--endpoint", "8090/tcp", "--expires", "30d"],
    "8090/tcp=127.0.0.1:0",
  );
  const { host, port } = await listeningAt(client, "8090/tcp");
  using own = new Held(edge.host, 8080);
  using callers = new Held(host, port);
  for (const each of [own, callers]) expect(await each.say("before")).toBe("before");
  clock.set(HOUR);
  for (const each of [own, callers]) {
    // One more may be on its way.
    for (let answer = "more"; answer !== ""; answer = await each.say("more")) continue;
  }
  for (const place of [
    { host: edge.host, port: 8080 },
    { host, port },
  ])
    expect(await exchange(place.host, place.port, "new").catch(() => "")).toBe("");
});
