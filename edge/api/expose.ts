import { Hono } from "hono";
import * as z from "zod";
import type { MappingAnswer, RemovedAnswer } from "../../shared/rule/api.ts";
import { mayPublish, type AgentClaims } from "../../shared/rule/claims.ts";
import { parseEndpoint } from "../../shared/address/endpoint.ts";
import { parsed } from "../../shared/rule/parsed.ts";
import { warnings } from "../../shared/rule/warnings.ts";
import { AGENT_BODY } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { visitorOf } from "../ingress/visitor.ts";
import { problemResponse } from "../problem.ts";
import type { Asker } from "../registry/actor.ts";
import { bearerOf, verifyToken } from "../tokens.ts";
import { answer, badRequest, bodyOf, type ApiContext, type ApiEnv } from "./context.ts";
import { mappingView } from "./views.ts";

/** Milliseconds that an ad-hoc mapping lives unless its agent renews it. A killed agent leaves nothing open for longer. */
const LEASE_MS = 5 * 60_000;

export const ExposeBody = z.strictObject({ endpoint: z.string().max(512), target: z.string().max(512) });

/**
 * PUT and DELETE /expose: ad-hoc mappings, made with an agent's token within its `publish` claim. They end when their agent stops
 * renewing them.
 */
export const exposeRoutes = new Hono<ApiEnv>()
  .put("/", async (c) => {
    const caller = await verifyPublisher(c);
    if (!caller.ok) return caller.response;
    const body = await bodyOf(c, ExposeBody, AGENT_BODY);
    if (!body.ok) return body.response;
    const { endpoint: text, target } = body.value;
    const { claims } = caller;
    const refusal = publishRefusal(claims, text);
    if (refusal !== undefined) return refusal;
    const registry = registryOf(c.env);
    const asker = askerOf(c, claims);
    const rule = { target, expires: Date.now() + LEASE_MS };
    const found = await registry.mapping(text);
    const isOwn = found.ok && found.value.created.by === claims.sub;
    const outcome = isOwn
      ? await registry.changeMapping(text, rule, asker)
      : await registry.addMapping(
          { ...rule, endpoint: text, site: claims.site, name: "ad hoc", owner: claims.sub, note: "agent expose" },
          asker,
        );
    return answer(
      c,
      outcome,
      (mapping) => ({ mapping: mappingView(mapping), warnings: warnings(parsed(mapping)) }) satisfies MappingAnswer,
    );
  })
  .delete("/:endpoint", async (c) => {
    const caller = await verifyPublisher(c);
    if (!caller.ok) return caller.response;
    const endpoint = c.req.param("endpoint");
    const registry = registryOf(c.env);
    const found = await registry.mapping(endpoint);
    // An agent may remove only mappings that it made itself.
    if (found.ok && found.value.created.by !== caller.claims.sub)
      return forbidden(`${found.value.endpoint} was not mapped by this agent.`);
    return answer(
      c,
      await registry.removeMapping(endpoint, askerOf(c, caller.claims)),
      (mapping) => ({ mapping: mapping && mappingView(mapping), warnings: [] }) satisfies RemovedAnswer,
    );
  });

/** Names the agent for the audit. Its token may change only its own mappings, so its entries are limited on their own. */
function askerOf(c: ApiContext, { sub }: AgentClaims): Asker {
  return { name: sub, from: visitorOf(c.req.raw, c.env), payer: sub };
}

async function verifyPublisher(
  c: ApiContext,
): Promise<{ ok: true; claims: AgentClaims } | { ok: false; response: Response }> {
  const registry = registryOf(c.env);
  const verified = await verifyToken(bearerOf(c.req.raw), "agent", await registry.trust(), Date.now());
  if (verified.ok && (await registry.tokenState(verified.claims.jti)) === "live")
    return { ok: true, claims: verified.claims };
  const detail = "This needs a valid agent token.";
  return {
    ok: false,
    response: problemResponse({
      status: 401,
      code: "token-refused",
      title: "Token refused",
      detail,
      fix: "sallyport token agent SITE --publish SITE/*",
    }),
  };
}

function publishRefusal(claims: AgentClaims, text: string): Response | undefined {
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) return badRequest(endpoint.error.message);
  if (endpoint.value.kind === "service" && endpoint.value.site !== claims.site)
    return forbidden(`${text} belongs to another site.`);
  return mayPublish(claims, endpoint.value) ? undefined : forbidden(`This agent's token may not publish ${text}.`);
}

function forbidden(detail: string): Response {
  return problemResponse({
    status: 403,
    code: "not-published",
    title: "Not allowed",
    detail,
    fix: "sallyport token agent SITE --publish ENDPOINT",
  });
}
