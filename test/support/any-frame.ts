import { batch } from "../../shared/wire/batch.ts";
import { encodeFields } from "../../shared/wire/fields.ts";
import { encodeFrame, TYPE } from "../../shared/wire/frame.ts";

export type Random = (below: number) => number;

/** The same numbers every time: what fails must fail again. */
export function randomOf(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const TYPES = Object.values(TYPE);

/** A frame that a decoder takes, more or less: known types, small numbers and large ones, and bytes that often mean something. */
export function anyFrame(random: Random): Uint8Array {
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  const number = (): number => pick([0, 1, 2, 3, 7, 255, 65_535, 65_536, 2 ** 31, 2 ** 53 - 1]);
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random(256));
  const text = new TextEncoder();
  const payload = pick<() => Uint8Array>([
    () => new Uint8Array(0),
    () => bytes(random(64)),
    () => bytes(8),
    () => encodeFields({ 1: bytes(16), 2: bytes(32) }),
    () =>
      encodeFields({
        1: pick(["127.0.0.1:1", "x", "unix:/x", "http://127.0.0.1:1"]),
        2: random(5),
        6: pick(["", "{}", "[", '{"probe":true}', '{"maxStreams":-1}', '{"bytesPerSecond":1e-300}']),
      }),
    () =>
      text.encode(
        pick([
          "{}",
          "[]",
          "null",
          '{"mapping":1,"code":"x","reason":"y"}',
          '{"token":"x","code":"cut","reason":""}',
          '{"code":"a","reason":"b"}',
        ]),
      ),
    () => new Uint8Array(50 + 48 * random(4)).fill(random(256)),
    () =>
      batch([
        encodeFrame(
          {
            type: pick([TYPE.DATA, TYPE.FIN, TYPE.CREDIT, TYPE.RESET, TYPE.DGRAM]),
            stream: random(9),
            offset: number(),
          },
          bytes(random(40)),
        ),
      ]),
  ])();
  // A lane that the relay greets twice, or closes, is another test.
  const type = pick(TYPES.filter((each) => each !== TYPE.WELCOME && each !== TYPE.REDIRECT && each !== TYPE.GOAWAY));
  const body = type === TYPE.BATCH && payload.byteLength > 28 ? payload.subarray(28) : payload;
  return encodeFrame(
    {
      type,
      flags: random(4),
      lane: random(20),
      channel: random(3),
      stream: type < TYPE.OPEN ? 0 : random(40),
      offset: number(),
    },
    body,
  );
}
