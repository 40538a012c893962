// What `sallyport test` says of each step on the way from a visitor to a target.

/** `here` and `public` are the commands' own; the edge answers the rest, in this order. */
export type HopName = "here" | "public" | "policy" | "edge" | "agent" | "target" | "protocol";

export interface Hop {
  readonly hop: HopName;
  readonly outcome: "ok" | "warning" | "failed" | "not-tested";
  /** Stable: what a script goes by; "" when all is well. */
  readonly code: string;
  /** One sentence. */
  readonly text: string;
  readonly fix: string;
  /** Milliseconds it took; null where nothing was measured. */
  readonly ms: number | null;
}

export function passed(hop: HopName, text: string, ms: number | null = null): Hop {
  return { hop, outcome: "ok", code: "", text, fix: "", ms };
}

export function failed(hop: HopName, code: string, text: string, fix = ""): Hop {
  return { hop, outcome: "failed", code, text, fix, ms: null };
}

export function warned(hop: HopName, code: string, text: string, fix = ""): Hop {
  return { hop, outcome: "warning", code, text, fix, ms: null };
}

/** Never "passed": what was not looked at is not known to be well. */
export function notTested(hop: HopName, code: string, text: string): Hop {
  return { hop, outcome: "not-tested", code, text, fix: "", ms: null };
}
