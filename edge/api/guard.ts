import type { MiddlewareHandler } from "hono";
import { mayChange } from "../../shared/claims.ts";
import { registryOf } from "../env.ts";
import { problemResponse } from "../problem.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import type { ApiEnv } from "./context.ts";
import { setupAnswer, setupProblem } from "./setup.ts";

/** Nothing works before there is an admin secret. */
export const requireSetup: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const problem = setupProblem(c.env);
  if (problem !== undefined) return setupAnswer(c.req.raw, problem);
  return next();
};

/** Lets administrators through: read-only ones to reads. Tokens of other kinds are no tokens here. */
export const requireAdmin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const registry = registryOf(c.env);
  const verified = await verifyToken(bearerOf(c.req.raw), "admin", await registry.trust());
  if (!verified.ok || (await registry.tokenState(verified.claims.jti)) !== "live") {
    // The same for every bad token: only its holder could learn from more, and a login says it all.
    return problemResponse(
      {
        status: 401,
        code: "token-refused",
        title: "Token refused",
        detail: "This needs a good admin token.",
        fix: "sallyport login URL",
      },
      { "www-authenticate": "Bearer" },
    );
  }
  if (!["GET", "HEAD"].includes(c.req.method) && !mayChange(verified.claims)) {
    return problemResponse({
      status: 403,
      code: "read-only",
      title: "Not for this token",
      detail: "This admin token may only read.",
      fix: "Log in with the admin secret, or use a token issued without --read-only.",
    });
  }
  c.set("admin", verified.claims);
  return next();
};
