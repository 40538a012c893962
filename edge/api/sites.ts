import { Hono } from "hono";
import * as z from "zod";
import { registryOf } from "../env.ts";
import { answer, bodyOf, type ApiEnv } from "./context.ts";
import { siteView } from "./views.ts";

export const SiteBody = z.strictObject({ name: z.string().max(100) });

export const siteRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json({ sites: (await registryOf(c.env).sites()).map(siteView) }))
  .post("/", async (c) => {
    const body = await bodyOf(c, SiteBody);
    if (!body.ok) return body.response;
    return answer(c, await registryOf(c.env).addSite(body.value.name, c.var.admin.sub), siteView, 201);
  })
  .delete("/:name", async (c) => {
    const outcome = await registryOf(c.env).removeSite(c.req.param("name"), c.var.admin.sub);
    return answer(c, outcome, (removed) => removed);
  });
