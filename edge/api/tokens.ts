import { Hono } from "hono";
import { registryOf } from "../env.ts";
import { TokenRequest } from "../registry/token-request.ts";
import { answer, bodyOf, type ApiEnv } from "./context.ts";
import { issuedView, tokenView } from "./views.ts";

export const tokenRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json({ tokens: (await registryOf(c.env).tokens()).map(tokenView) }))
  .post("/", async (c) => {
    const body = await bodyOf(c, TokenRequest);
    if (!body.ok) return body.response;
    return answer(c, await registryOf(c.env).issueToken(body.value, c.var.admin.sub), issuedView, 201);
  })
  /** Revokes. The token stays listed until nothing could be done with it anyway. */
  .delete("/:jti", async (c) => {
    return answer(c, await registryOf(c.env).revokeToken(c.req.param("jti"), c.var.admin.sub), tokenView);
  });
