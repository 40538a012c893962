// Every parser here returns a typed value or one coded fault. Bad input throws nothing.

/** Codes of faults in input. Messages may change, codes may not. */
export type FaultCode =
  | "bad-ports"
  | "bad-address"
  | "bad-cidr"
  | "bad-name"
  | "bad-host"
  | "bad-endpoint"
  | "bad-target"
  | "bad-rule"
  | "bad-mapping"
  | "bad-claims"
  | "ambiguous-path"
  | "conflict";

/** Why input was refused: what is wrong, in one sentence, and what to write instead, if that is known. */
export interface Fault {
  readonly code: FaultCode;
  readonly message: string;
  readonly fix?: string;
  /** The field that is wrong, if it is known: `expires`, `http.ca`. */
  readonly path?: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Fault };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fault<T>(code: FaultCode, message: string, fix?: string): Result<T> {
  return { ok: false, error: fix === undefined ? { code, message } : { code, message, fix } };
}

/** Parses every item. Returns the first fault, if there is one. */
export function all<T>(items: readonly string[], parse: (item: string) => Result<T>): Result<T[]> {
  const values: T[] = [];
  for (const item of items) {
    const parsed = parse(item);
    if (!parsed.ok) return parsed;
    values.push(parsed.value);
  }
  return ok(values);
}

/** Returns the value. Throws an error on a fault: only for text that was parsed before it was stored, where a fault is a bug. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.error.code}: ${result.error.message}`);
}

/** Quotes untrusted text for a fault's message: shortened, and with control characters escaped. */
export function quote(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(shown).replace(/[^\x20-\x7e…]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
