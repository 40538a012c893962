import type { MiddlewareHandler } from "hono";
import { mayChange, type AdminClaims } from "../../shared/rule/claims.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse } from "../problem.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import type { ApiContext, ApiEnv } from "./context.ts";
import { hasKey, sessionToken } from "./cookie.ts";
import { setupAnswer, setupProblem } from "./setup.ts";

/** Nothing works before there is an admin secret. */
export const requireSetup: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const problem = setupProblem(c.env);
  if (problem !== undefined) return setupAnswer(c.req.raw, problem);
  return next();
};

/** Lets administrators through: read-only ones to reads. Tokens of other kinds are no tokens here. */
export const requireAdmin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const claims = await adminOf(c);
  if (claims === null) {
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
  const isOwnLogout = c.req.method === "DELETE" && c.req.path.endsWith("/api/v1/session");
  if (!["GET", "HEAD"].includes(c.req.method) && !mayChange(claims) && !isOwnLogout) {
    return problemResponse({
      status: 403,
      code: "read-only",
      title: "Not for this token",
      detail: "This admin token may only read.",
      fix: "Log in with the admin secret, or use a token issued without --read-only.",
    });
  }
  c.set("admin", claims);
  return next();
};

/** Whose token is good here: a bearer's, or that of a browser's session, with its key. */
async function adminOf(c: ApiContext): Promise<AdminClaims | null> {
  const registry = registryOf(c.env);
  const token = c.req.header("authorization") === undefined ? sessionToken(c) : bearerOf(c.req.raw);
  const verified = await verifyToken(token, "admin", await registry.trust());
  if (!verified.ok || (await registry.tokenState(verified.claims.jti)) !== "live") return null;
  const { session } = verified.claims;
  if (session !== undefined && !(await hasKey(c, session))) return null;
  // A cookie that is a whole token has been put there by somebody else.
  if (session === undefined && c.req.header("authorization") === undefined) return null;
  return verified.claims;
}
