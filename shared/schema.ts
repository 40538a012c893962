import * as z from "zod";
import { type Fault, type FaultCode, fault, ok, type Result } from "./result.ts";
import { isPlainText } from "./text.ts";

// Zod checks the shape of input, the grammars of this folder the texts in it.

/** Makes a schema for text in one of those grammars. Its output is the canonical text. */
export function canonicalText<T>(parse: (text: string) => Result<T>, format: (value: T) => string) {
  return z.string().transform((text, context) => {
    const parsed = parse(text);
    if (parsed.ok) return format(parsed.value);
    context.addIssue({ code: "custom", message: parsed.error.message, params: { fault: parsed.error } });
    return z.NEVER;
  });
}

/** Makes a schema for one line of text: at most `max` characters, none of them hidden. */
export function line(max: number) {
  return z.string().max(max).refine(isPlainText, "has control or invisible characters");
}

/** Makes a schema for a time in milliseconds since 1970, given as such or as ISO 8601 with its offset. */
export function moment() {
  const limit = Date.UTC(10000, 0);
  const iso = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
  return z.union([z.int(), iso]).pipe(z.int().positive().lt(limit));
}

/** Checks a value against a schema. Returns the parsed value, or the first fault with the path to it. */
export function conform<T>(schema: z.ZodType<T>, value: unknown, code: FaultCode): Result<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const inner = issue?.code === "custom" ? (issue.params?.["fault"] as Fault | undefined) : undefined;
  const path = issue?.path.map(String).join(".") ?? "";
  const message = inner?.message ?? issue?.message ?? "It has the wrong shape.";
  const found = fault<T>(inner?.code ?? code, path ? `${path}: ${message}` : message, inner?.fix);
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const about = [path, unknown ?? ""].filter((part) => part !== "").join(".");
  return found.ok || about === "" ? found : { ok: false, error: { ...found.error, path: about } };
}
