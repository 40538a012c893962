import type { Welcome } from "../wire/control.ts";
import { divide, NO_DEMAND, sumDemands, type Demand } from "./division.ts";
import { encodeFrame, TYPE, viewOf, writeU64 } from "../wire/frame.ts";
import type { Session } from "./session.ts";
import { FEATURE_ASK_BUDGET } from "../wire/version.ts";

export type BudgetHost = {
  /** The sessions whose far ends may send. */
  sessions: () => Session[];
  /** Sends a frame to the relay itself. */
  send: (frame: Uint8Array) => void;
};

/** An end's share of the relay's budget, divided among its sessions as their windows. Sends the relay the demand of all. */
export class Budget {
  readonly #host: BudgetHost;
  #bytes = 0;
  /** The demand that the relay was last sent; null: it can't take one. */
  #sentDemand: Demand | null = null;

  constructor(host: BudgetHost) {
    this.#host = host;
  }

  /** Takes the first share of a relay, from WELCOME. */
  welcome({ budget, features }: Welcome): void {
    this.#sentDemand = features.includes(FEATURE_ASK_BUDGET) ? NO_DEMAND : null;
    this.grant(budget);
  }

  /** Takes a new share from the relay, in bytes, and divides it. */
  grant(bytes: number): void {
    this.#bytes = bytes;
    this.divide();
  }

  /** The session window for one session, in bytes of charge. */
  share(session: Session): number {
    const sessions = this.#host.sessions();
    return this.#shares(sessions)[sessions.indexOf(session)] ?? 0;
  }

  /** Divides the budget again: sessions have come or gone, or their demand has changed. */
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

  /** Sends the last demand again. It changes nothing, but wakes the relay. */
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
