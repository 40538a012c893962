import { parseAddress, sourceBucket } from "../../../shared/address/address.ts";
import { mayComeFrom } from "../../../shared/rule/claims.ts";
import { parseEndpoint, type Endpoint } from "../../../shared/address/endpoint.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import type { Grant } from "../../../shared/rule/grant.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import { decide } from "../../../shared/rule/policy.ts";
import { isWithin, parseScopes, reachOf, scopesFor, type Scopes } from "../../../shared/rule/reach.ts";
import { known } from "../../../shared/result.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { End } from "../lanes/lanes.ts";
import type { Agents, Choice } from "./agents.ts";
import { kindOf, needsOne, targetOf } from "./dial.ts";
import type { Rates } from "./rates.ts";
import type { Rules } from "./rules.ts";
import type { Spending } from "./spending.ts";
import { capsOf, tokenOf, viaOf, type Credential, type Visit } from "./visit.ts";

/** What says whether a visitor may come. Every `Site` has it. */
type Judge = { readonly rules: Rules; readonly spending: Spending };
/** And what says whether there is room, and an agent. */
type Entrance = Judge & {
  readonly agents: Agents;
  readonly rates: Rates;
  readonly visits: { excess: (mapping: Mapping, source: string) => Failure | null };
};

export type Refused = { readonly ok: false; readonly failure: Failure; readonly mapping: Mapping | undefined };
export type Permitted = { readonly ok: true; readonly mapping: Mapping; readonly grant: Grant | undefined };
export type Admitted = Permitted & {
  readonly agent: End;
  /** Agents to try when `agent` turns out not to dial the target. */
  readonly others: readonly End[];
  readonly target: string;
  /** The visitor's source, as sources are counted. */
  readonly source: string;
};

/**
 * Lets a visitor in, and says by which agent: the one way in, for every door. `slot` is the agent that a caller names; visitors at
 * the edge's own doors get one that is chosen. Synchronous: one await, and DATA overtakes OPEN (measured).
 */
export function admit(site: Entrance, visit: Visit, now: number, slot?: number): Admitted | Refused {
  const permitted = permit(site, visit, now);
  if (!permitted.ok) return permitted;
  const { mapping } = permitted;
  const refuse = (failure: Failure): Refused => ({ ok: false, failure, mapping });
  const { address } = visit;
  if (address === undefined) return refuse({ code: "denied", reason: "the visitor's address is not known" });
  const source = sourceBucket(address);
  // The streams of callers are counted by the agents: a relay that has slept knows nothing of them.
  const excess = slot === undefined ? site.visits.excess(mapping, source) : null;
  const tooFast = excess ?? site.rates.take(mapping, address, now);
  if (tooFast !== null) return refuse(tooFast);
  const choice = chooseAgent(site, mapping, visit, slot);
  if (!choice.ok) return refuse(choice.failure);
  return {
    ...permitted,
    agent: choice.agent,
    others: choice.others,
    target: targetOf(mapping, visit.endpoint),
    source,
  };
}

/** The agent that a visitor would get, or why none. */
export function chooseAgent(
  { agents }: Pick<Entrance, "agents">,
  mapping: Mapping,
  visit: Visit,
  slot?: number,
): Choice {
  const target = targetOf(mapping, visit.endpoint);
  const wanted = { site: mapping.site, target, single: needsOne(mapping, capsOf(visit.by)) };
  return slot === undefined ? agents.choose(wanted) : agents.named(slot, wanted);
}

/** Whether rules, grants and tokens let a visitor in, whatever agents there are. */
export function permit(site: Judge, visit: Visit, now: number): Permitted | Refused {
  const { rules } = site;
  const mapping = rules.at(visit.endpoint);
  const refuse = (code: Failure["code"], reason: string): Refused => ({
    ok: false,
    failure: { code, reason },
    mapping,
  });
  if (visit.by.kind === "lane") {
    const outside = whyOutside(visit.by.pass, visit.endpoint, mapping, rules);
    if (outside !== null) return refuse("denied", outside);
  }
  const ended = whyEnded(site, visit.by, now);
  if (ended !== null) return refuse(ended.code, ended.reason);
  if (rules.revision < 0) return refuse("busy", "the relay has no rules yet");
  if (mapping === undefined) return refuse("no-mapping", `nothing is mapped to ${visit.endpoint}`);
  return judge(rules, mapping, visit, now);
}

/** Whether a stream of a lane's end may go on after its RESUME: its agent knows the mapping, the relay no more of it. */
export function mayResume(site: Judge, pass: Attachment, mapping: number, now: number): boolean {
  const by = { kind: "lane", pass } as const;
  if (whyEnded(site, by, now) !== null) return false;
  // A stream that was never answered has no mapping yet: it is opened, and so judged, again.
  if (mapping === 0) return true;
  const rule = site.rules.byId(mapping);
  if (rule === undefined || (rule.expires !== null && rule.expires <= now)) return false;
  if (reachOf(known(parseEndpoint(rule.endpoint)), scopesOf(pass, rule, site.rules)).length === 0) return false;
  if (pass.kind === "gateway") return true;
  const address = parseAddress(pass.address);
  return address.ok && judge(site.rules, rule, { endpoint: rule.endpoint, address: address.value, by }, now).ok;
}

/** What a mapping, its grants and the visitor's credential say of a visitor. */
function judge(rules: Rules, mapping: Mapping, { endpoint, address, by }: Visit, now: number): Permitted | Refused {
  const refuse = (code: Failure["code"], reason: string): Refused => ({
    ok: false,
    failure: { code, reason },
    mapping,
  });
  // Since the Worker looked, another mapping may have come to that endpoint.
  if (by.kind === "judged" && by.mapping !== 0 && by.mapping !== mapping.id)
    return refuse("denied", `the token was judged for what was mapped to ${endpoint} before`);
  if (by.kind === "lane" && kindOf(endpoint) === "http")
    return refuse("denied", "HTTP endpoints are not opened as byte streams");
  if (address === undefined) return refuse("denied", "the visitor's address is not known");
  if (by.kind === "lane" && by.pass.kind === "client" && !mayComeFrom(by.pass, address))
    return refuse("denied", `the token may not be used from ${address.text}`);
  const via = viaOf(by);
  const verdict = decide(mapping, rules.current.grants, { address, via, now });
  return verdict.ok ? { ok: true, mapping, grant: verdict.grant } : { ok: false, failure: verdict.failure, mapping };
}

/** Why a credential counts no more; null while it does. */
function whyEnded({ rules, spending }: Judge, by: Credential, now: number): Failure | null {
  const token = tokenOf(by);
  const until = by.kind === "lane" ? by.pass.expires * 1000 : by.kind === "judged" ? by.until : null;
  if (until !== null && until <= now) return { code: "expired", reason: "the token has expired" };
  if (token !== "" && (rules.isRevoked(token) || spending.isOver(token)))
    return { code: "denied", reason: "the token is revoked" };
  return null;
}

/** Why a lane's token opens no such endpoint; null if it does. Nothing is said of mappings that it does not reach, not even whether they exist. */
function whyOutside(pass: Attachment, text: string, mapping: Mapping | undefined, rules: Rules): string | null {
  const endpoint = parseEndpoint(text);
  const named = parsedScopes(pass);
  const counting = mapping === undefined ? named : scopesOf(pass, mapping, rules);
  if (endpoint.ok && isWithin(endpoint.value, counting)) return null;
  const isNamed = endpoint.ok && isWithin(endpoint.value, named);
  const shown = text.slice(0, 100);
  return isNamed ? `the token was issued for what was mapped to ${shown} before` : `the token does not open ${shown}`;
}

/** The concrete endpoints of a mapping that a lane's token opens. */
export function reachedBy(
  pass: Attachment,
  mapping: Mapping,
  endpoint: Endpoint,
  rules: Rules,
): ReturnType<typeof reachOf> {
  return reachOf(endpoint, scopesOf(pass, mapping, rules));
}

/** The scopes that count for a mapping; of a lane that an older version let in, it is not known when its token was issued. */
function scopesOf(pass: Attachment, { id, endpoint }: Mapping, rules: Rules): Scopes {
  const since = rules.since(id);
  const issued = pass.kind === "gateway" ? null : (pass.issued ?? 0);
  const scopes = parsedScopes(pass);
  return since === 0 ? scopes : scopesFor(scopes, known(parseEndpoint(endpoint)), issued, since);
}

/** By the list that an attachment is made with: an OPEN must not parse it again. */
const parsed = new WeakMap<readonly string[], Scopes>();

function parsedScopes({ endpoints = [] }: Attachment): Scopes {
  if (endpoints === "*") return parseScopes("*");
  const before = parsed.get(endpoints);
  if (before !== undefined) return before;
  const scopes = parseScopes(endpoints);
  parsed.set(endpoints, scopes);
  return scopes;
}
