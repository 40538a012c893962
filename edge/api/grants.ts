import { Hono } from "hono";
import { registryOf } from "../env.ts";
import { GrantRequest } from "../registry/grant-changes.ts";
import { answer, bodyOf, type ApiEnv } from "./context.ts";
import { grantView } from "./views.ts";

/** Grants: POST answers the one-time link, which is not kept; DELETE cuts what the grant let in. */
export const grantRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json({ grants: (await registryOf(c.env).grants()).map(grantView) }))
  .post("/", async (c) => {
    const body = await bodyOf(c, GrantRequest);
    if (!body.ok) return body.response;
    const outcome = await registryOf(c.env).addGrant(body.value, c.var.admin.sub);
    return answer(c, outcome, (made) => ({ ...grantView(made), link: made.link }), 201);
  })
  .delete("/:id", async (c) =>
    answer(c, await registryOf(c.env).removeGrant(c.req.param("id"), c.var.admin.sub), grantView),
  );
