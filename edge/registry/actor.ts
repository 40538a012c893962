/** The admin, agent or part of the edge that asks for a change. `from`: its address, or "" if it has none. */
export type Asker = {
  name: string;
  from: string;
  /**
   * Identity whose share of the audit log an entry counts against: the token's identity if the token may not change the whole
   * register, or the address of an unauthenticated login. Absent for admins who may change it.
   */
  payer?: string;
};

/** An asker together with the time of its change, in milliseconds since 1970. */
export type Actor = Asker & { now: number };
