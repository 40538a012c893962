import { Hono } from "hono";
import * as z from "zod";
import type { RemovedSite, SiteList } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import { answer, askerOf, bodyOf, type ApiEnv } from "./context.ts";
import { pageOf, PageQuery, queryOf } from "./pages.ts";
import { siteView } from "./views.ts";

export const SiteBody = z.strictObject({ name: z.string().max(100) });

export const siteRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => {
    const query = queryOf(c, PageQuery);
    if (!query.ok) return query.response;
    const { page, next } = pageOf(await registryOf(c.env).sites(), ({ name }) => name, query.value);
    return c.json({ sites: page.map(siteView), next } satisfies SiteList);
  })
  .post("/", async (c) => {
    const body = await bodyOf(c, SiteBody);
    if (!body.ok) return body.response;
    return answer(c, await registryOf(c.env).addSite(body.value.name, askerOf(c)), siteView, 201);
  })
  .delete("/:name", async (c) => {
    const outcome = await registryOf(c.env).removeSite(c.req.param("name"), askerOf(c));
    return answer(c, outcome, (removed) => removed satisfies RemovedSite);
  });
