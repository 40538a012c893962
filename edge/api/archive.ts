import { Hono } from "hono";
import { registryOf } from "../env.ts";
import { Archive } from "../registry/archive.ts";
import { answer, askerOf, bodyOf, type ApiEnv } from "./context.ts";

/** Bytes of the longest import: ten thousand changes and as many tokens. */
const MAX_IMPORT = 24 * 1024 * 1024;

/** GET: all that the registry keeps, without private keys. POST: the same into a registry without sites. */
export const archiveRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json(await registryOf(c.env).exportAll()))
  .post("/", async (c) => {
    const body = await bodyOf(c, Archive, MAX_IMPORT);
    if (!body.ok) return body.response;
    const outcome = await registryOf(c.env).importAll(body.value, askerOf(c));
    return answer(c, outcome, (imported) => imported, 201);
  });
