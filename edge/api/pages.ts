import * as z from "zod";
import type { ApiContext } from "./context.ts";
import { badRequest } from "./context.ts";

/** Query of a list: at most `limit` entries, starting after the entry whose key is `after`. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(500),
  after: z.string().max(512).optional(),
});

/** Parses the query with a schema. On failure, returns the response that says what is wrong with it. */
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

/** Returns one page of `items`, whose order is stable, and the key that the next page starts after; null at the end. */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, after }: z.output<typeof PageQuery>,
): { page: T[]; next: string | null } {
  // The entry `after` may be gone meanwhile: then the page continues with the next larger key.
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
