import { Hono } from "hono";
import type { BodyRule } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { Revocations } from "../registry/carry-over.ts";
import { askerOf, bodyOf, type ApiEnv } from "./context.ts";

/** Limits for a body with everything that an edge may have issued. */
const REVOCATIONS_BODY: BodyRule = { limit: 8 * 1024 * 1024, ms: 120_000 };

/** POST: ends all tokens, grants and keys that a later state of this edge had ended, in one step. */
export const revocationRoutes = new Hono<ApiEnv>().post("/", async (c) => {
  const body = await bodyOf(c, Revocations, REVOCATIONS_BODY);
  if (!body.ok) return body.response;
  return c.json(await registryOf(c.env).carryOver(body.value, askerOf(c)));
});
