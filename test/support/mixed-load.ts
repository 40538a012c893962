/** Good and hostile load on one site, together: the good is checked byte for byte, the hostile only has to do no harm. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";
import type { StatusView } from "../../shared/rule/api.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { encodeOpen } from "../../shared/wire/open.ts";
import { badFrames } from "./bad-frames.ts";
import { badTokens } from "./bad-tokens.ts";
import { digest, noise, sha256 } from "./bytes.ts";
import { HandMade } from "./hand-made.ts";
import { askHttp, httpOrigin } from "./http.ts";
import { loopback } from "./net.ts";
import { nginx } from "./nginx.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "./peers.ts";
import type { Run } from "./run.ts";
import { testSite, type TestSite } from "./site.ts";
import { expectSound, quiet, residentOf } from "./soundness.ts";
import { ANYWHERE } from "./targets.ts";

const MIB = 1024 * 1024;
/** A try that takes longer has failed, however busy the machine. */
const PATIENCE_MS = 90_000;
/** Lines of each program that are told with what went wrong. */
const NEWS_LINES = 20;

/** What happened, by what was tried; a good try that went wrong is written down word for word. */
export type Figures = {
  minutes: number;
  good: Record<string, number>;
  wrong: string[];
  hostile: Record<string, number>;
  /** Hostile tries that had no end of their own; they are left alone. */
  late: Record<string, number>;
  /** Resident memory, once a minute. */
  workerdMiB: number[];
  agentMiB: number[];
  launcherMiB: number[];
};

/**
 * Loads a site of its own for so many minutes. Nginx must be there. Hands over the figures, then asserts that nothing is
 * left of it.
 */
export async function mixedLoad(minutes: number, judge: (figures: Figures) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await testSite({ tcp: "8080-8082" }));
  const files = stack.use(await nginx({ small: 64 * 1024, large: 20 * MIB }));
  const echo = stack.use(await tcpServer(loopback()));
  const flood = stack.use(
    await tcpServer(loopback(), 0, (socket) => {
      const block = Buffer.alloc(65_536, 1);
      const more = (): void => {
        while (socket.writable && socket.write(block));
      };
      socket.on("drain", more);
      more();
    }),
  );
  const udp = stack.use(await udpServer(loopback()));
  const web = stack.use(
    await httpOrigin((request, response) => {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk)).on("end", () => response.end(hash.digest("hex")));
    }),
  );
  await site.map("8080/tcp", files.address);
  await site.map("8081/tcp", `${echo.host}:${echo.port}`);
  await site.map("8082/tcp", `${echo.host}:${echo.port}`, "--deny-from", "127.0.0.0/8");
  await site.map("lab/flood", `${flood.host}:${flood.port}`);
  const gateway = await site.token("gateway", "--endpoint", "5060/udp");
  await site.map("5060/udp", `${udp.host}:${udp.port}`, "--idle", "10s");
  await site.map("http://web.example", web.url);
  const bind = loopback();
  const listener = stack.use(await site.gateway(gateway, "--bind", bind));
  const token = readFileSync(await site.token("visitor", "--endpoint", "lab/*"), "utf8");
  // Visitors are free to be sent to any agent of their site, so a hostile one has a site of its own.
  await site.edge.ok("site", "add", "evil");
  const agentToken = await site.edge.ok("token", "agent", "evil", "--local", ...ANYWHERE);
  const before = await quiet(site);
  const printed = new Printed({ edge: site.edge.serve, agent: site.agent, gateway: listener });
  const load = new Load(site, minutes, printed);

  const whole = { small: await digest(noise(64 * 1024)), large: await digest(noise(20 * MIB)) };
  const { host, url } = site.edge;
  const download = async (name: "small" | "large"): Promise<string> => {
    const socket = connect(8080, host);
    // Without an end: nginx takes half of one for all of it, and stops.
    socket.write(`GET /${name} HTTP/1.0\r\n\r\n`);
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    const answer = Buffer.concat(parts);
    const body = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
    return sha256(body) === whole[name].sha256 ? "" : `${body.byteLength} bytes of ${name}`;
  };
  await Promise.all([
    load.good("large downloads", 500, () => download("large")),
    load.good("small downloads", 100, () => download("small")),
    load.good("echoes", 50, async () => {
      const words = randomBytes(200).toString("hex");
      const heard = await ask(host, 8081, words);
      return heard === words ? "" : `heard ${heard.length} of ${words.length}`;
    }),
    load.good("datagrams", 50, async () => {
      await using visitor = new UdpVisitor({ host: bind, port: 5060 });
      const words = randomBytes(160);
      return (await visitor.ask(words)).equals(words) ? "" : "another datagram";
    }),
    load.good("uploads", 200, async () => {
      const body = randomBytes(300_000);
      const answer = await askHttp(url, "web.example", { method: "POST", body });
      const wanted = sha256(body);
      return answer.body.toString() === wanted ? "" : `${answer.status} ${answer.body.toString().slice(0, 100)}`;
    }),
    load.hostile("bad frames", 20, async (nth) => {
      const kind = nth % 2 === 0 ? "client" : "gateway";
      await using peer = await new HandMade({ url, token, kind: "client" }).join();
      const all = badFrames(kind, { slot: peer.slot });
      peer.raw(all[nth % all.length]?.message ?? "");
      await Promise.race([peer.closed, pause(50)]);
    }),
    load.hostile("bad frames of an agent", 200, async (nth) => {
      await using peer = await new HandMade({
        url,
        token: agentToken,
        kind: "agent",
        incarnation: "d".repeat(32),
      }).join();
      const all = badFrames("agent", { channel: nth % 5 });
      for (const { message } of all.slice(nth % 100, (nth % 100) + 5)) peer.raw(message);
      await Promise.race([peer.closed, pause(50)]);
    }),
    load.hostile("readers that stop", 3_000, async () => {
      await using peer = await new HandMade({ url, token, kind: "client" }).join();
      peer.deaf();
      for (let stream = 1; stream < 20; stream += 1) {
        peer.say({ type: TYPE.OPEN, stream, offset: 2 ** 40 }, encodeOpen({ endpoint: "lab/flood", visitor: "" }));
        await pause(50);
        peer.say({ type: TYPE.RESET, stream });
      }
    }),
    load.hostile("rapid resets", 500, async () => {
      await using peer = await new HandMade({ url, token, kind: "client" }).join();
      for (let stream = 1; stream <= 500; stream += 1) {
        peer.say({ type: TYPE.OPEN, stream, offset: 16_384 }, encodeOpen({ endpoint: "lab/flood", visitor: "" }));
        peer.say({ type: TYPE.RESET, stream });
      }
      await pause(50);
    }),
    load.hostile("bad tokens", 50, async (nth) => {
      const bad = Object.values(badTokens(token.trim(), { kid: "x", x: "AAAA" }));
      const headers = { authorization: `Bearer ${(bad[nth % bad.length] ?? "").replace(/[^\x20-\x7e]/g, "")}` };
      const socket = new WebSocket(`${url.replace("http", "ws")}/.sallyport/agent`, "sallyport.v1", { headers });
      socket.on("error", () => undefined);
      await once(socket, "unexpected-response").catch(() => undefined);
      socket.terminate();
    }),
    load.hostile("denied visitors", 20, async () => void (await ask(host, 8082, "x").catch(() => ""))),
    load.hostile("broken HTTP", 50, async (nth) => {
      const heads = [
        "GET / HTTP/1.1\r\nHost: web.example:8787\r\nTransfer-Encoding: x\r\n\r\n",
        "\0\0\0",
        "GET /.sallyport/grant/x HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
      ];
      await ask(host, 8787, heads[nth % heads.length] ?? "").catch(() => "");
    }),
    load.watch(),
  ]);
  await judge(load.figures);
  await expectSound(site, before, [token, agentToken], { sameLanes: false });
}

class Load {
  readonly figures: Figures;
  readonly #site: TestSite;
  readonly #until: number;
  readonly #printed: Printed;

  constructor(site: TestSite, minutes: number, printed: Printed) {
    this.#site = site;
    this.#printed = printed;
    this.#until = Date.now() + minutes * 60_000;
    this.figures = {
      minutes,
      good: {},
      wrong: [],
      hostile: {},
      late: {},
      workerdMiB: [],
      agentMiB: [],
      launcherMiB: [],
    };
  }

  /** Tries again and again; `attempt` answers what was wrong, "" for nothing. */
  async good(name: string, everyMs: number, attempt: () => Promise<string>): Promise<void> {
    let count = 0;
    while (Date.now() < this.#until) {
      const late = pause(PATIENCE_MS, `no end in ${PATIENCE_MS / 1000} s`, { ref: false });
      const wrong = await Promise.race([attempt(), late]).catch((error: unknown) => String(error));
      if (wrong !== "") this.#wrong(`${name} ${count}: ${wrong}`);
      this.figures.good[name] = count += 1;
      await pause(everyMs);
    }
  }

  async hostile(name: string, everyMs: number, attempt: (nth: number) => Promise<void>): Promise<void> {
    let count = 0;
    while (Date.now() < this.#until) {
      const late = pause(PATIENCE_MS, "late" as const, { ref: false });
      if ((await Promise.race([attempt(count), late])) === "late")
        this.figures.late[name] = (this.figures.late[name] ?? 0) + 1;
      this.figures.hostile[name] = count += 1;
      await pause(everyMs);
    }
  }

  /** Notes once a minute what the programs take, and whether the edge still answers. */
  async watch(): Promise<void> {
    while (Date.now() < this.#until) {
      this.figures.workerdMiB.push(Math.round(residentOf(this.#site.edge.workerd)));
      this.figures.agentMiB.push(Math.round(residentOf(this.#site.agent.pid)));
      this.figures.launcherMiB.push(Math.round(residentOf(this.#site.edge.serve.pid)));
      const { sites } = await this.#site.edge.json<StatusView>("status");
      const state = sites.find(({ name }) => name === "lab")?.state;
      if (state !== "online") this.#wrong(`the site is ${state ?? "gone"}`);
      await pause(Math.min(60_000, Math.max(0, this.#until - Date.now())));
    }
  }

  /** Writes down what went wrong, when, and what the programs had said by then. */
  #wrong(what: string): void {
    this.figures.wrong.push([`${new Date().toISOString()} ${what}`, ...this.#printed.news()].join("\n"));
  }
}

/** What programs print, told once: many things go wrong at one moment. */
class Printed {
  readonly #programs: Readonly<Record<string, Run>>;
  readonly #told = new Map<string, number>();

  constructor(programs: Readonly<Record<string, Run>>) {
    this.#programs = programs;
  }

  /** The last lines of each program since it was asked before, with its name; without those on what only the hostile open. */
  news(): string[] {
    return Object.entries(this.#programs).flatMap(([name, { stdout, stderr }]) =>
      Object.entries({ [name]: stdout, [`${name}, errors`]: stderr }).flatMap(([from, text]) => {
        const lines = text.slice(this.#told.get(from) ?? 0).split("\n");
        this.#told.set(from, text.length);
        return lines
          .filter((line) => line !== "" && !line.includes("lab/flood"))
          .slice(-NEWS_LINES)
          .map((line) => `  ${from}: ${line}`);
      }),
    );
  }
}
