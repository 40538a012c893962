import type { Context } from "hono";
import * as z from "zod";
import { parseAddress, sourceBucket } from "../../shared/address/address.ts";
import { mayChange, type AdminClaims } from "../../shared/rule/claims.ts";
import type { Fault } from "../../shared/result.ts";
import { ADMIN_BODY, readBody, type BodyRule } from "../body.ts";
import { problemResponse, type Outcome, type Problem } from "../problem.ts";
import type { Env } from "../env.ts";
import type { HostKind } from "../ingress/http-routes.ts";
import { visitorOf } from "../ingress/visitor.ts";
import type { Asker } from "../registry/actor.ts";

/** Types of a Hono context in the API: the Worker's environment, and the admin token's claims. */
export type ApiEnv = { Bindings: Env & { visit: ApiVisit }; Variables: { admin: AdminClaims } };
/** The host that a request came to: its kind, scheme, canonical HOST[:PORT], and port. */
export type ApiVisit = { kind: HostKind; scheme: "http" | "https"; host: string; port: number };
export type ApiContext = Context<ApiEnv>;

/** Names the admin who sent a request, for the audit. */
export function askerOf(c: ApiContext): Asker {
  const { admin } = c.var;
  const asker = { name: admin.sub, from: visitorOf(c.req.raw, c.env) };
  return mayChange(admin) ? asker : { ...asker, payer: admin.sub };
}

/** Names the source that refused logins are counted against: the requester's IPv4 address, or its IPv6 /64. */
export function sourceOf(c: ApiContext): string {
  const address = parseAddress(visitorOf(c.req.raw, c.env));
  return address.ok ? sourceBucket(address.value) : "an unknown address";
}

/** Reads the JSON body and parses it with a schema. On failure, returns the response that says what is wrong with it. */
export async function bodyOf<T>(
  c: ApiContext,
  schema: z.ZodType<T>,
  rule: BodyRule = ADMIN_BODY,
): Promise<{ ok: true; value: T } | { ok: false; response: Response }> {
  const fault = (message: string) => ({ ok: false as const, response: badRequest(message) });
  const body = await readBody(c.req.raw, rule);
  if (!body.ok) return { ok: false, response: problemResponse(body.problem) };
  let json: unknown;
  try {
    json = JSON.parse(body.value);
  } catch {
    return fault("The body is not JSON.");
  }
  if (!isShallow(json, MAX_LEVELS)) return fault(`The body is nested more than ${MAX_LEVELS} levels deep.`);
  const parsed = schema.safeParse(json);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, response: problemResponse(problemOf(parsed.error)) };
}

/** Describes the first issue by its path. For a text that one of our parsers refused, adds the parser's code and fix. */
function problemOf({ issues: [issue] }: z.ZodError): Problem {
  const path = issue?.path.map(String).join(".") ?? "";
  const detail = `${path === "" ? "" : `${path}: `}${issue?.message ?? "wrong type"}`;
  const inner = issue?.code === "custom" ? (issue.params?.["fault"] as Fault | undefined) : undefined;
  const { code = "bad-request", fix } = inner ?? {};
  return { status: 400, code, title: "Not valid", detail, ...(fix === undefined ? {} : { fix }) };
}

/** Nesting limit for bodies: the deepest valid one, a rule with options in a list of rules, has five levels. */
const MAX_LEVELS = 32;

/** Tells whether a JSON value has at most `levels` levels. Schemas and RPC recurse into values, so deep ones overflow the stack. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isShallow(each, levels - 1));
}

/** Makes a 400 response. */
export function badRequest(detail: string): Response {
  return problemResponse({ status: 400, code: "bad-request", title: "Not valid", detail });
}

/** Converts an outcome of the registry to an HTTP response. `view` makes the JSON body of a success. */
export function answer<T>(
  c: ApiContext,
  outcome: Outcome<T>,
  view: (value: T) => object,
  status: 200 | 201 = 200,
): Response {
  return outcome.ok ? c.json(view(outcome.value), status) : problemResponse(outcome.problem);
}
