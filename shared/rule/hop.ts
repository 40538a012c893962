// The result of `sallyport test` for each step between a visitor and a target.

/** The steps. The command itself tests `here` and `public`; the edge answers the others, in this order. */
export type HopName = "here" | "public" | "policy" | "edge" | "agent" | "target" | "protocol";

export interface Hop {
  readonly hop: HopName;
  readonly outcome: "ok" | "warning" | "failed" | "not-tested";
  /** A stable code for scripts; "" when the step has passed. */
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

/** For a step that was not tested. It must not read as passed. */
export function notTested(hop: HopName, code: string, text: string): Hop {
  return { hop, outcome: "not-tested", code, text, fix: "", ms: null };
}
