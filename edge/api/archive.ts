import { Hono } from "hono";
import type { BodyRule } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { Archive } from "../registry/archive.ts";
import { answer, askerOf, bodyOf, type ApiEnv } from "./context.ts";

/** Limits for an import: ten thousand audit entries and as many tokens fit. */
const IMPORT_BODY: BodyRule = { limit: 24 * 1024 * 1024, ms: 120_000 };

/** GET exports all data of the registry except private keys; POST imports it into a registry without sites. */
export const archiveRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => c.json(await registryOf(c.env).exportAll(askerOf(c))))
  .post("/", async (c) => {
    const body = await bodyOf(c, Archive, IMPORT_BODY);
    if (!body.ok) return body.response;
    const outcome = await registryOf(c.env).importAll(body.value, askerOf(c));
    return answer(c, outcome, (imported) => imported, 201);
  });
