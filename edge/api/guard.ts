import type { MiddlewareHandler } from "hono";
import { mayChange, type AdminClaims } from "../../shared/rule/claims.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse } from "../problem.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import type { ApiContext, ApiEnv } from "./context.ts";
import { hasKey, sessionToken } from "./cookie.ts";
import { setupAnswer, setupProblem } from "./setup.ts";

/** Refuses every request while there is no admin secret. */
export const requireSetup: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const problem = setupProblem(c.env);
  if (problem !== undefined) return setupAnswer(c.req.raw, problem);
  return next();
};

/** Requires an admin token; a read-only one allows only reads. Refuses tokens of other kinds. */
export const requireAdmin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const claims = await adminOf(c);
  if (claims === null) {
    // The same answer for every bad token, so that an unknown caller learns nothing from it. A login is the fix in each case.
    return problemResponse(
      {
        status: 401,
        code: "token-refused",
        title: "Token refused",
        detail: "This needs a valid admin token.",
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
      title: "Not allowed",
      detail: "This admin token is read-only.",
      fix: "Log in with the admin secret, or use a token issued without --read-only.",
    });
  }
  c.set("admin", claims);
  return next();
};

/** Returns the claims of a valid bearer token, or of a browser session with its key; null if there is neither. */
async function adminOf(c: ApiContext): Promise<AdminClaims | null> {
  const registry = registryOf(c.env);
  const token = c.req.header("authorization") === undefined ? sessionToken(c) : bearerOf(c.req.raw);
  const verified = await verifyToken(token, "admin", await registry.trust());
  if (!verified.ok || (await registry.tokenState(verified.claims.jti)) !== "live") return null;
  const { session } = verified.claims;
  if (session !== undefined && !(await hasKey(c, session))) return null;
  // A cookie with a token that needs no key was not set by this edge.
  if (session === undefined && c.req.header("authorization") === undefined) return null;
  return verified.claims;
}
