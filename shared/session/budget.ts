import type { Welcome } from "../wire/control.ts";
import { divide, NO_DEMAND, sumDemands, type Demand } from "./division.ts";
import { encodeFrame, TYPE, viewOf, writeU64 } from "../wire/frame.ts";
import type { Session } from "./session.ts";
import { FEATURE_ASK_BUDGET } from "../wire/version.ts";

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
  #sentDemand: Demand | null = null;

  constructor(host: BudgetHost) {
    this.#host = host;
  }

  /** A relay has let us in; it has not been asked for anything yet. */
  welcome({ budget, features }: Welcome): void {
    this.#sentDemand = features.includes(FEATURE_ASK_BUDGET) ? NO_DEMAND : null;
    this.grant(budget);
  }

  /** The relay lets us grant so many bytes in all. */
  grant(bytes: number): void {
    this.#bytes = bytes;
    this.divide();
  }

  /** Session window of one session, in bytes of charge. */
  share(session: Session): number {
    const sessions = this.#host.sessions();
    return this.#shares(sessions)[sessions.indexOf(session)] ?? 0;
  }

  /** Sessions have come or gone, or want something else. */
  divide(): void {
    const sessions = this.#host.sessions();
    const shares = this.#shares(sessions);
    for (const [index, session] of sessions.entries()) session.grantWindow(shares[index] ?? 0);
    const demand = sumDemands(sessions.map((session) => session.demand));
    if (
      this.#sentDemand === null ||
      (this.#sentDemand.bytes === demand.bytes && this.#sentDemand.unread === demand.unread)
    )
      return;
    this.#sendDemand(demand);
  }

  /** Says again what was asked for last: a word that changes nothing, and wakes the relay. */
  repeatDemand(): void {
    if (this.#sentDemand !== null) this.#sendDemand(this.#sentDemand);
  }

  #sendDemand(demand: Demand): void {
    this.#sentDemand = demand;
    const payload = new Uint8Array(8);
    writeU64(viewOf(payload), 0, demand.unread);
    this.#host.send(encodeFrame({ type: TYPE.BUDGET, offset: demand.bytes }, payload));
  }

  #shares(sessions: readonly Session[]): number[] {
    return divide(
      this.#bytes,
      sessions.map(({ demand }) => demand),
    );
  }
}
