/** `npm run bench:core`: what the codec and the core cost by themselves, in one process and without sockets. */
import { batch, unbatch } from "../shared/wire/batch.ts";
import { decodeFrame, encodeFrame, HEADROOM, TYPE } from "../shared/wire/frame.ts";
import { encodeDial } from "../shared/wire/open.ts";
import { MAX_DATA } from "../shared/wire/limits.ts";
import { Session } from "../shared/session/session.ts";
import { tableText } from "./harness/report.ts";
import { median, spread } from "./harness/stats.ts";

const ROUNDS = 7;
const ROUND_MS = 150;
const WINDOW = 8 * 2 ** 20;

/** Nanoseconds a call, of which each handles `bytes`. */
function measure(name: string, bytes: number, action: () => void): (string | number)[] {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    let calls = 0;
    const begun = performance.now();
    while (performance.now() - begun < ROUND_MS) {
      for (let turn = 0; turn < 64; turn += 1) action();
      calls += 64;
    }
    // The first is warm-up.
    if (round > 0) rounds.push(((performance.now() - begun) * 1e6) / calls);
  }
  const nanoseconds = median(rounds);
  return [
    name,
    nanoseconds,
    `+-${Math.round(spread(rounds) * 100)} %`,
    bytes === 0 ? "-" : (bytes / nanoseconds) * 1000,
  ];
}

/** Two sessions wired to each other, and a stream between them whose far end takes everything at once. */
function pair(): { write: (bytes: number) => void } {
  const ends: { caller?: Session; agent?: Session } = {};
  const io = (far: () => Session | undefined): ConstructorParameters<typeof Session>[0]["io"] => ({
    send: (frame) => far()?.receive(decodeFrame(frame)),
    maxFrame: () => MAX_DATA,
    now: () => performance.now(),
  });
  const to = { channel: 0, slot: 1 };
  const caller = (ends.caller = new Session({ role: "caller", to, io: io(() => ends.agent) }));
  const agent = (ends.agent = new Session({
    role: "agent",
    to,
    io: io(() => ends.caller),
    dial: (stream) => {
      stream.events = { data: (bytes) => stream.consumed(bytes.byteLength), fin: () => {}, ended: () => {} };
      stream.accept({ target: "", local: "" });
    },
  }));
  caller.setSendWindow(WINDOW);
  agent.setSendWindow(WINDOW);
  caller.grantWindow(WINDOW, false);
  agent.grantWindow(WINDOW, false);
  const dial = {
    target: "127.0.0.1:1",
    kind: "tcp",
    mapping: 1,
    endpoint: "1/tcp",
    visitor: "127.0.0.1:2",
    options: "",
    token: "",
    grant: "",
    ref: "",
  } as const;
  const stream = caller.open(TYPE.DIAL, encodeDial(dial));
  return { write: (bytes) => stream.write(new Uint8Array(HEADROOM + bytes)) };
}

const large = encodeFrame({ type: TYPE.DATA, stream: 5, offset: 2 ** 40 }, new Uint8Array(65_536));
const small = encodeFrame({ type: TYPE.DATA, stream: 5, offset: 7 }, new Uint8Array(64));
const ten = Array.from({ length: 10 }, () => small);
const ofTen = batch(ten);
const core = pair();

const rows = [
  measure("decode a frame of 64 KiB", 65_536, () => void decodeFrame(large)),
  measure("encode a frame of 64 bytes", 64, () => void encodeFrame({ type: TYPE.DATA, stream: 5, offset: 7 }, small)),
  measure("batch ten of 64 bytes", 640, () => void batch(ten)),
  measure("take that apart", 640, () => void unbatch(decodeFrame(ofTen))),
  measure("64 KiB through two sessions, credit and all", 65_536, () => core.write(65_536)),
  measure("64 bytes through two sessions", 64, () => core.write(64)),
];
console.log(tableText({ title: "Codec and core", columns: ["what", "ns a call", "spread", "MB/s"], rows }));
