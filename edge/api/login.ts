import { Hono } from "hono";
import * as z from "zod";
import type { LoginView } from "../../shared/rule/api.ts";
import { LOGIN_BODY } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { visitorOf } from "../ingress/visitor.ts";
import { answer, bodyOf, sourceOf, type ApiEnv } from "./context.ts";
import { issuedView } from "./views.ts";

export const LoginBody = z.strictObject({
  secret: z.string().max(1024),
  /** The URL that the program used; absent if it does not show how others reach the edge. */
  url: z.string().max(512).optional(),
  /** Seconds. */
  life: z.int().positive().optional(),
  readOnly: z.boolean().optional(),
});

/** POST /login: returns an admin token for the admin secret. */
export const loginRoutes = new Hono<ApiEnv>().post("/", async (c) => {
  const body = await bodyOf(c, LoginBody, LOGIN_BODY);
  if (!body.ok) return body.response;
  const from = visitorOf(c.req.raw, c.env);
  const outcome = await registryOf(c.env).login({ ...body.value, source: sourceOf(c), from });
  return answer(c, outcome, (issued) => ({ ...issuedView(issued), url: issued.url }) satisfies LoginView);
});
