import { Hono } from "hono";
import type { TokenList } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import { TokenRequest } from "../registry/token-request.ts";
import { answer, askerOf, bodyOf, type ApiEnv } from "./context.ts";
import { pageOf, PageQuery, queryOf } from "./pages.ts";
import { issuedView, tokenView } from "./views.ts";

export const tokenRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => {
    const query = queryOf(c, PageQuery);
    if (!query.ok) return query.response;
    const { tokens, spent } = await registryOf(c.env).tokens();
    const { page, next } = pageOf(tokens, ({ issued, jti }) => `${issued}-${jti}`, query.value);
    return c.json({ tokens: page.map((token) => tokenView(token, spent.get(token.jti))), next } satisfies TokenList);
  })
  .post("/", async (c) => {
    const body = await bodyOf(c, TokenRequest);
    if (!body.ok) return body.response;
    return answer(c, await registryOf(c.env).issueToken(body.value, askerOf(c)), issuedView, 201);
  })
  /** Revokes a token. It stays listed until it could not be used even if it were not revoked. */
  .delete("/:jti", async (c) => {
    return answer(c, await registryOf(c.env).revokeToken(c.req.param("jti"), askerOf(c)), (token) => tokenView(token));
  });
