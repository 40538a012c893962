import { Hono } from "hono";
import type { GrantList, MadeGrantView } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import { GrantRequest } from "../registry/grant-changes.ts";
import { answer, askerOf, bodyOf, type ApiEnv } from "./context.ts";
import { pageOf, PageQuery, queryOf } from "./pages.ts";
import { grantView } from "./views.ts";

/** Grants. POST returns the one-time link, which is not stored; DELETE cuts the streams that the grant let in. */
export const grantRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => {
    const query = queryOf(c, PageQuery);
    if (!query.ok) return query.response;
    const grants = await registryOf(c.env).grants();
    const { page, next } = pageOf(grants, ({ grant: { created, id } }) => `${created}-${id}`, query.value);
    return c.json({ grants: page.map(grantView), next } satisfies GrantList);
  })
  .post("/", async (c) => {
    const body = await bodyOf(c, GrantRequest);
    if (!body.ok) return body.response;
    const outcome = await registryOf(c.env).addGrant(body.value, askerOf(c));
    return answer(c, outcome, (made) => ({ ...grantView(made), link: made.link }) satisfies MadeGrantView, 201);
  })
  .delete("/:id", async (c) =>
    answer(c, await registryOf(c.env).removeGrant(c.req.param("id"), askerOf(c)), grantView),
  );
