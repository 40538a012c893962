import type { Welcome } from "../wire/control.ts";
import { divide, NO_DEMAND, sumOf, type Demand } from "./division.ts";
import { encodeFrame, TYPE, viewOf, writeU64 } from "../wire/frame.ts";
import type { Session } from "./session.ts";
import { ASKS_FOR_BUDGET } from "../wire/version.ts";

export type BudgetHost = {
  /** Sessions whose far ends may send. */
  sessions: () => Session[];
  /** Sends a frame to the relay itself. */
  send: (frame: Uint8Array) => void;
};

/** What the relay lets this end grant, divided over its sessions; and what it is asked for when readers here could use more. */
export class Budget {
  readonly #host: BudgetHost;
  #bytes = 0;
  /** What the relay was asked for; null: it does not understand. */
  #asked: Demand | null = null;

  constructor(host: BudgetHost) {
    this.#host = host;
  }

  /** A relay has let us in; it has not been asked for anything yet. */
  welcome({ budget, features }: Welcome): void {
    this.#asked = features.includes(ASKS_FOR_BUDGET) ? NO_DEMAND : null;
    this.grant(budget);
  }

  /** The relay lets us grant so many bytes in all. */
  grant(bytes: number): void {
    this.#bytes = bytes;
    this.divide();
  }

  /** Session window of one session, in bytes of charge. */
  part(session: Session): number {
    const sessions = this.#host.sessions();
    return this.#parts(sessions)[sessions.indexOf(session)] ?? 0;
  }

  /** Sessions have come or gone, or want something else. */
  divide(): void {
    const sessions = this.#host.sessions();
    const parts = this.#parts(sessions);
    for (const [index, session] of sessions.entries()) session.grant(parts[index] ?? 0);
    const demand = sumOf(sessions.map((session) => session.demand));
    if (this.#asked === null || (this.#asked.wants === demand.wants && this.#asked.stuck === demand.stuck)) return;
    this.#ask(demand);
  }

  /** Says again what was asked for last: a word that changes nothing, and wakes the relay. */
  repeat(): void {
    if (this.#asked !== null) this.#ask(this.#asked);
  }

  #ask(demand: Demand): void {
    this.#asked = demand;
    const stuck = new Uint8Array(8);
    writeU64(viewOf(stuck), 0, demand.stuck);
    this.#host.send(encodeFrame({ type: TYPE.BUDGET, offset: demand.wants }, stuck));
  }

  #parts(sessions: readonly Session[]): number[] {
    return divide(
      this.#bytes,
      sessions.map(({ demand }) => demand),
    );
  }
}
