/** Who asks for a change, and from which address; "" where that is nobody's. */
export type Asker = {
  name: string;
  from: string;
  /**
   * The account that audit entries are charged to when the audit is full: the token's identity if the token may not change the
   * whole register, or a stranger's address. Absent for administrators who may.
   */
  payer?: string;
};

/** Who changes something, and when (milliseconds since 1970). */
export type Actor = Asker & { now: number };
