import { Hono } from "hono";
import * as z from "zod";
import type { MappingAnswer } from "../../shared/api.ts";
import type { Mapping } from "../../shared/mapping.ts";
import { warnings } from "../../shared/warnings.ts";
import { registryOf } from "../env.ts";
import { answer, bodyOf, type ApiEnv } from "./context.ts";
import { mappingView } from "./views.ts";

/** Its fields are checked by the grammar of mappings, in the registry. */
const MappingBody = z.record(z.string(), z.json());

/** Endpoints have slashes, so in a path they are percent-encoded whole: `/mappings/8080%2Ftcp`. */
export const mappingRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json({ mappings: (await registryOf(c.env).mappings()).map(mappingView) }))
  .post("/", async (c) => {
    const body = await bodyOf(c, MappingBody);
    if (!body.ok) return body.response;
    return answer(c, await registryOf(c.env).addMapping(body.value, c.var.admin.sub), accepted, 201);
  })
  .get("/:endpoint", async (c) => answer(c, await registryOf(c.env).mapping(c.req.param("endpoint")), accepted))
  .patch("/:endpoint", async (c) => {
    const body = await bodyOf(c, MappingBody);
    if (!body.ok) return body.response;
    return answer(
      c,
      await registryOf(c.env).changeMapping(c.req.param("endpoint"), body.value, c.var.admin.sub),
      accepted,
    );
  })
  .delete("/:endpoint", async (c) => {
    const outcome = await registryOf(c.env).removeMapping(c.req.param("endpoint"), c.var.admin.sub);
    return answer(c, outcome, (mapping) => ({ mapping: mappingView(mapping), warnings: [] }) satisfies MappingAnswer);
  });

function accepted(mapping: Mapping): MappingAnswer {
  return { mapping: mappingView(mapping), warnings: warnings(mapping) };
}
