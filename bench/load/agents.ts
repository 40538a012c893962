import { randomBytes } from "node:crypto";
import { Dialler } from "../../link/dial/dialler.ts";
import { dialLane, Lane } from "../../link/lane.ts";
import { MAX_DATA } from "../../shared/wire/limits.ts";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";

const DIRECT = new Dialler();
/** Dials at once. */
const AT_ONCE = 20;

/** Agents that only are there: a lane and its pings for each token. Throws when one is not welcome. */
export async function idleAgents(edge: string, tokens: readonly string[]): Promise<AsyncDisposable> {
  const lanes: Lane[] = [];
  const stop = new AbortController();
  for (let first = 0; first < tokens.length; first += AT_ONCE) {
    const dialled = await Promise.all(
      tokens.slice(first, first + AT_ONCE).map((token) =>
        dialLane(
          {
            url: new URL(`ws://${edge}/.sallyport/agent`),
            dialler: DIRECT,
            token,
            hello: {
              protocol: PROTOCOL,
              kind: "agent",
              incarnation: randomBytes(16).toString("hex"),
              lane: 0,
              version: VERSION,
              frameBytes: MAX_DATA,
              features: [],
            },
            waiting: () => false,
            frame: () => {},
            writable: () => {},
          },
          stop.signal,
        ),
      ),
    );
    for (const lane of dialled) {
      if (!(lane instanceof Lane)) throw new Error(`an agent is not let in: ${lane.reason}`);
      lane.start();
      lanes.push(lane);
    }
  }
  return {
    [Symbol.asyncDispose]: async () => void (await Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]()))),
  };
}
