import { Hono } from "hono";
import * as z from "zod";
import type { ApplyAnswer, MappingAnswer, MappingList, RemovedAnswer } from "../../shared/rule/api.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { differences } from "../../shared/rule/register.ts";
import { unreachableReason } from "./relays.ts";
import { parsed } from "../../shared/rule/parsed.ts";
import { warnings } from "../../shared/rule/warnings.ts";
import type { BodyRule } from "../body.ts";
import { registryOf } from "../registry/stub.ts";
import { problemResponse, type Outcome } from "../problem.ts";
import type { ApplyResult, Change } from "../registry/apply.ts";
import { etagOf } from "../registry/etag.ts";
import { answer, askerOf, bodyOf, type ApiContext, type ApiEnv } from "./context.ts";
import { pageOf, PageQuery, queryOf } from "./pages.ts";
import { mappingView } from "./views.ts";

/** Any JSON object: the registry checks its fields with the parser of mappings. */
const MappingBody = z.record(z.string(), z.json());

/** Limit on rules in one request: far more than an edge has ports for. */
const MAX_RULES = 5_000;
/** Limits for a request with that many. */
const APPLY_BODY: BodyRule = { limit: 8 * 1024 * 1024, ms: 120_000 };

export const ApplyBody = z.strictObject({
  mappings: z.array(MappingBody).max(MAX_RULES),
  /** Keeps mappings that are not in `mappings`; otherwise they are removed. */
  keep: z.boolean().default(false),
  /** Returns what would change, and changes nothing. */
  dryRun: z.boolean().default(false),
});

/** Mappings. Endpoints contain slashes, so in a path they are percent-encoded: `/mappings/8080%2Ftcp`. */
export const mappingRoutes = new Hono<ApiEnv>()
  .get("/", async (c) => {
    const query = queryOf(c, PageQuery);
    if (!query.ok) return query.response;
    const { mappings, tag, uses } = await registryOf(c.env).register();
    const { page, next } = pageOf(mappings, ({ id }) => String(id), query.value);
    c.header("etag", `"${tag}"`);
    return c.json({
      mappings: page.map((each) => mappingView(each, uses.get(each.id))),
      next,
      tag: `"${tag}"`,
    } satisfies MappingList);
  })
  .post("/", async (c) => {
    const body = await bodyOf(c, MappingBody);
    if (!body.ok) return body.response;
    const outcome = await registryOf(c.env).addMapping(body.value, askerOf(c));
    return answer(c, outcome, mappingAnswer(c, { more: await otherWarnings(c, outcome) }), 201);
  })
  /** Replaces the whole register, or part of it with `keep`. */
  .put("/", async (c) => {
    const body = await bodyOf(c, ApplyBody, APPLY_BODY);
    if (!body.ok) return body.response;
    const request = { ...body.value, ifMatch: c.req.header("if-match") };
    const outcome = await registryOf(c.env).applyRules(request, askerOf(c));
    return outcome.ok ? c.json(applyAnswer(outcome.value, body.value.dryRun)) : problemResponse(outcome.problem);
  })
  .get("/:endpoint", async (c) => {
    const registry = registryOf(c.env);
    const [found, { uses }] = await Promise.all([registry.mapping(c.req.param("endpoint")), registry.register()]);
    return answer(c, found, mappingAnswer(c, { uses }));
  })
  .patch("/:endpoint", async (c) => {
    const body = await bodyOf(c, MappingBody);
    if (!body.ok) return body.response;
    const { endpoint } = c.req.param();
    const outcome = await registryOf(c.env).changeMapping(endpoint, body.value, askerOf(c), c.req.header("if-match"));
    return answer(c, outcome, mappingAnswer(c, { more: await otherWarnings(c, outcome) }));
  })
  .delete("/:endpoint", async (c) => {
    const { endpoint } = c.req.param();
    const outcome = await registryOf(c.env).removeMapping(endpoint, askerOf(c), c.req.header("if-match"));
    return answer(
      c,
      outcome,
      (mapping) => ({ mapping: mapping && mappingView(mapping), warnings: [] }) satisfies RemovedAnswer,
    );
  });

/** `uses`: when each mapping was last used. `more`: further warnings. */
type Extras = { uses?: ReadonlyMap<number, number>; more?: readonly string[] };

function mappingAnswer(c: ApiContext, { uses, more = [] }: Extras): (mapping: Mapping) => MappingAnswer {
  return (mapping) => {
    c.header("etag", etagOf(mapping));
    return { mapping: mappingView(mapping, uses?.get(mapping.id)), warnings: [...warnings(parsed(mapping)), ...more] };
  };
}

/** Lists warnings about tokens and agents. */
async function otherWarnings(c: ApiContext, outcome: Outcome<Mapping>): Promise<string[]> {
  return outcome.ok ? [...(await tokenWarnings(c, outcome)), ...(await agentWarnings(c, outcome.value))] : [];
}

/** Warns when no online agent of the site may dial the target. */
async function agentWarnings({ env }: ApiContext, { site: name, target }: Mapping): Promise<string[]> {
  const site = (await registryOf(env).sites()).find((each) => each.name === name);
  const why = site === undefined ? null : await unreachableReason(env, site, target);
  return why === null ? [] : [`${why}. Give the site an agent that may: sallyport token agent ${name} --target ...`];
}

/** Limit on tokens that a warning names. */
const MAX_NAMED = 5;

/** Warns of tokens that name the endpoint but were issued for an earlier mapping of it, and so do not open this one. */
async function tokenWarnings(c: ApiContext, outcome: Outcome<Mapping>): Promise<string[]> {
  const stale = outcome.ok ? await registryOf(c.env).staleTokens(outcome.value) : [];
  if (!outcome.ok || stale.length === 0) return [];
  const { endpoint } = outcome.value;
  const shown = `${stale.slice(0, MAX_NAMED).join(", ")}${stale.length > MAX_NAMED ? " and others" : ""}`;
  return [
    `Tokens issued for an earlier mapping of ${endpoint} do not open this one: ${shown}. Issue new ones: sallyport token visitor --endpoint ${endpoint}`,
  ];
}

function applyAnswer({ changes, unchanged, tag }: ApplyResult, dryRun: boolean): ApplyAnswer {
  return { dryRun, changes: changes.map(changeView), unchanged, tag: `"${tag}"`, warnings: warningsOf(changes) };
}

function changeView({ before, after }: Change): ApplyAnswer["changes"][number] {
  const { endpoint = "", site = "", target = "", name = "" } = after ?? before ?? {};
  const kind = before === undefined ? "add" : after === undefined ? "remove" : "change";
  const fields = before === undefined || after === undefined ? [] : differences(before, after);
  return { kind, endpoint, site, target, name, fields };
}

/** Lists the warnings of all changes, each text once. */
function warningsOf(changes: readonly Change[]): string[] {
  return [...new Set(changes.flatMap(({ after }) => (after === undefined ? [] : warnings(parsed(after)))))];
}
