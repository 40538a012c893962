import { Hono } from "hono";
import type { KeyList } from "../../shared/rule/api.ts";
import { registryOf } from "../registry/stub.ts";
import { answer, askerOf, type ApiEnv } from "./context.ts";
import { iso } from "./views.ts";

/** The keys that sign tokens. POST makes a new one, and older ones stay valid; DELETE withdraws one with all tokens it signed. */
export const keyRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => {
    const keys = await registryOf(c.env).keys();
    return c.json({ keys: keys.map(({ kid, created }) => ({ kid, created: iso(created) })) } satisfies KeyList);
  })
  .post("/", async (c) => c.json(await registryOf(c.env).rotateKey(askerOf(c)), 201))
  .delete("/:kid", async (c) => {
    return answer(c, await registryOf(c.env).withdrawKey(c.req.param("kid"), askerOf(c)), (withdrawn) => withdrawn);
  });
