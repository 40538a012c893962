import * as z from "zod";
import type { ApiContext } from "./context.ts";
import { badRequest } from "./context.ts";

/** A page of a list: `limit` entries at most, those after the one whose key is `after`. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(500),
  after: z.string().max(512).optional(),
});

/** The query in its schema's shape, or the answer that says what is wrong with it. */
export function queryOf<T>(
  c: ApiContext,
  schema: z.ZodType<T>,
): { ok: true; value: T } | { ok: false; response: Response } {
  const parsed = schema.safeParse(c.req.query());
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  return {
    ok: false,
    response: badRequest(`${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "wrong"}`),
  };
}

/** One page of `items`, which are in a lasting order, and the key to go on after; null at the end. */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, after }: z.output<typeof PageQuery>,
): { page: T[]; next: string | null } {
  // An entry that is gone meanwhile is no reason to begin anew: keys are in order, or the rest is not known.
  const at = after === undefined ? -1 : items.findIndex((item) => keyOf(item) === after);
  const rest =
    after !== undefined && at < 0 ? items.filter((item) => compare(keyOf(item), after) > 0) : items.slice(at + 1);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return { page, next: last !== undefined && rest.length > page.length ? keyOf(last) : null };
}

function compare(a: string, b: string): number {
  return /^\d+$/.test(a) && /^\d+$/.test(b) ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0;
}
