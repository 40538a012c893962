/**
 * `npm run fuzz -- [MINUTES] [--seed N] [--target NAME]`: feeds everything that reads what strangers write, for so long.
 * Inputs of a new kind are kept in test/corpus/, where unit tests replay them; one that does what must not be is kept
 * too, printed, and ends it with 1.
 */
import { parseArgs } from "node:util";
import { readCorpus, writeCorpus } from "../test/fuzz/corpus.ts";
import { mutate, randomOf } from "../test/fuzz/mutate.ts";
import { TARGETS, type FuzzTarget } from "../test/fuzz/targets.ts";

/** Kinds kept of one target: what tells more apart than this tells too much. */
const MOST_KEPT = 150;
/** Inputs tried of one target before it is the next one's turn. */
const TURN = 2_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: String(Date.now() % 1_000_000) }, target: { type: "string" } },
});
const minutes = Number(positionals[0] ?? "1");
const seed = Number(values.seed);
if (
  !(minutes > 0) ||
  !Number.isInteger(seed) ||
  (values.target !== undefined && TARGETS[values.target] === undefined)
) {
  console.error(`usage: npm run fuzz -- [MINUTES] [--seed N] [--target ${Object.keys(TARGETS).join("|")}]`);
  process.exit(2);
}

class Hunt {
  tried = 0;
  readonly found: string[] = [];
  readonly #name: string;
  readonly #target: FuzzTarget;
  readonly #kept: string[];
  readonly #kinds = new Map<string, string>();
  readonly #random = randomOf(seed);

  constructor(name: string, target: FuzzTarget) {
    this.#name = name;
    this.#target = target;
    this.#kept = readCorpus(name);
  }

  /** Runs all that is kept, so that what comes is compared with it. */
  async start(): Promise<void> {
    for (const input of ["", ...(this.#target.seeds ?? []), ...this.#kept]) await this.#try(input);
  }

  async turn(): Promise<void> {
    const { words } = this.#target;
    const inputs = [...this.#kinds.values()];
    for (let count = 0; count < TURN && this.found.length === 0; count += 1)
      await this.#try(mutate(inputs, words, this.#random));
  }

  save(): void {
    writeCorpus(this.#name, [...this.#kept, ...this.#kinds.values(), ...this.found]);
  }

  get report(): string {
    return `${this.#name}: ${this.tried} inputs, ${this.#kinds.size} kinds`;
  }

  async #try(input: string): Promise<void> {
    this.tried += 1;
    try {
      const kind = await this.#target.check(input);
      const before = this.#kinds.get(kind);
      if (before === undefined ? this.#kinds.size < MOST_KEPT : input.length < before.length)
        this.#kinds.set(kind, input);
    } catch (error) {
      this.found.push(input);
      console.error(
        `${this.#name} (seed ${seed}): ${JSON.stringify(input)}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  }
}

const until = Date.now() + minutes * 60_000;
const chosen = Object.entries(TARGETS).filter(([name]) => values.target === undefined || name === values.target);
const hunts = chosen.map(([name, target]) => new Hunt(name, target));
console.log(`seed ${seed}, ${minutes} min, ${hunts.length} targets`);
for (const hunt of hunts) await hunt.start();
while (Date.now() < until) for (const hunt of hunts) if (hunt.found.length === 0) await hunt.turn();
for (const hunt of hunts) {
  hunt.save();
  console.log(hunt.report);
}
process.exitCode = hunts.some(({ found }) => found.length > 0) ? 1 : 0;
