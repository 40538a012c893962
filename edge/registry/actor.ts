/** Who asks for a change, and from which address; "" where that is nobody's. */
export type Asker = { name: string; from: string };

/** Who changes something, and when (milliseconds since 1970). */
export type Actor = Asker & { now: number };
