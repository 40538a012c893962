import { Hono } from "hono";
import * as z from "zod";
import type { AuditList, AuditView } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import type { NumberedEntry } from "../registry/journal.ts";
import type { ApiEnv } from "./context.ts";
import { queryOf } from "./pages.ts";
import { iso } from "./views.ts";

export const AuditQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** Returns the entries before this one: `next` of the newer page. */
  before: z.coerce.number().int().positive().optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  actor: z.string().max(100).optional(),
  /** An action, such as `map edit`, or its first words, such as `map`. */
  action: z.string().max(50).optional(),
  /** What was changed: an endpoint, a site, a `jti`. */
  subject: z.string().max(512).optional(),
});

/** GET /audit: who changed what. Returns the last `limit` entries that match, oldest first. */
export const auditRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const query = queryOf(c, AuditQuery);
  if (!query.ok) return query.response;
  const { since, ...filter } = query.value;
  const entries = await registryOf(c.env).auditPage({
    ...filter,
    since: since === undefined ? undefined : Date.parse(since),
  });
  const next = entries.length === filter.limit ? (entries[0]?.n ?? null) : null;
  return c.json({
    entries: entries.map(viewOf),
    next,
  } satisfies AuditList);
});

function viewOf({ at, last, count, ...entry }: NumberedEntry): AuditView {
  return { ...entry, at: iso(at), ...(count === 1 ? {} : { count, last: iso(last) }) };
}
