import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/tool.ts";

export interface Options {
  readonly quick: boolean;
  /** Names of measurements; empty: all. */
  readonly only: readonly string[];
  /** Names of peers; empty: all there are. */
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  /** Folder of the built programs. */
  readonly dist: string;
  /** Folder of other built programs to measure beside: what was before a change. */
  readonly before: string | null;
  /** Where results go, without extension; null: nowhere. */
  readonly out: string | null;
}

/** Seconds that a whole run of the usual size may take; null for any other. */
export function limitOf({ quick, only, before, rounds, seconds }: Options): number | null {
  const usual = quick ? QUICK : FULL;
  const isUsual = only.length === 0 && before === null && rounds === usual.rounds && seconds === usual.seconds;
  return isUsual ? usual.limitSeconds : null;
}

const FULL = { rounds: 5, seconds: 2, limitSeconds: 1_800 };
const QUICK = { rounds: 2, seconds: 1, limitSeconds: 180 };

export const USAGE = `npm run bench -- [options]

  --quick            some three minutes: two short rounds, beside what figures are held against
  --only NAME,...    these measurements only
  --peers NAME,...   these peers only (ours is always there; quick: direct, socat and what multiplexes)
  --rounds N         interleaved rounds (5; quick: 2)
  --seconds S        of one reading (2; quick: 1)
  --before DIR       another dist folder, measured beside as "before"
  --dist DIR         the dist folder to measure (default: built now)
  --out NAME         writes bench/results/NAME.json and .md (default: latest)`;

export function parseOptions(words: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      peers: { type: "string", default: "" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      before: { type: "string" },
      dist: { type: "string" },
      out: { type: "string", default: "latest" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const usual = values.quick ? QUICK : FULL;
  const list = (text: string): string[] => text.split(",").filter((name) => name !== "");
  return {
    quick: values.quick,
    only: list(values.only),
    peers: list(values.peers),
    rounds: Number(values.rounds ?? usual.rounds),
    seconds: Number(values.seconds ?? usual.seconds),
    dist: resolve(values.dist ?? join(ROOT, "dist")),
    before: values.before === undefined ? null : resolve(values.before),
    out: values.out === "" ? null : join(ROOT, "bench/results", values.out),
  };
}
