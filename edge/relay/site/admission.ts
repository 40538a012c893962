import { parseAddress, sourceBucket } from "../../../shared/address/address.ts";
import { mayComeFrom } from "../../../shared/rule/opens.ts";
import { parseEndpoint } from "../../../shared/address/endpoint.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import type { Grant } from "../../../shared/rule/grant.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import type { Parsed } from "../../../shared/rule/parsed.ts";
import { decide, type Verdict } from "../../../shared/rule/policy.ts";
import { isWithin, partsWithin, scopesFor, type Part, type Scopes } from "../../../shared/rule/reach.ts";
import { ok } from "../../../shared/result.ts";
import type { End } from "../lanes/lanes.ts";
import type { Agents, AgentChoice } from "./agents.ts";
import { needsOne } from "./dial.ts";
import type { MappedEndpoint } from "./mapped-endpoint.ts";
import type { Rates } from "./rates.ts";
import type { Rules } from "./rules.ts";
import type { TokenUsage } from "./token-usage.ts";
import { capsOf, tokenOf, viaOf, type Credential, type LaneToken, type Visit } from "./visit.ts";

/** What says whether a visitor may come. Every `Site` has it. */
type PermitContext = { readonly rules: Rules; readonly tokenUsage: TokenUsage };
/** And what says whether there is room, and an agent. */
type AdmitContext = PermitContext & {
  readonly agents: Agents;
  readonly rates: Rates;
  readonly visits: { excess: (mapping: Mapping, source: string) => Failure | null };
};

/** `at`: what the visitor came to; undefined where nothing is mapped. */
export type Refused = { readonly ok: false; readonly failure: Failure; readonly at: MappedEndpoint | undefined };
export type Permitted = { readonly ok: true; readonly at: MappedEndpoint; readonly grant: Grant | undefined };
export type Admitted = Permitted & {
  readonly agent: End;
  /** Agents to try when `agent` turns out not to dial the target. */
  readonly others: readonly End[];
  /** The visitor's source, as sources are counted. */
  readonly source: string;
};

/**
 * Lets a visitor in, and says by which agent: the one way in, for every door. `slot` is the agent that a caller names; visitors at
 * the edge's own doors get one that is chosen. Synchronous: one await, and DATA overtakes OPEN (measured).
 */
export function admit(site: AdmitContext, visit: Visit, now: number, slot?: number): Admitted | Refused {
  const permitted = permit(site, visit, now);
  if (!permitted.ok) return permitted;
  const { at } = permitted;
  const refuse = (failure: Failure): Refused => ({ ok: false, failure, at });
  const { address } = visit;
  if (address === undefined) return refuse({ code: "denied", reason: "the visitor's address is not known" });
  const source = sourceBucket(address);
  // The streams of callers are counted by the agents: a relay that has slept knows nothing of them.
  const excess = slot === undefined ? site.visits.excess(at.mapping, source) : null;
  const tooFast = excess ?? site.rates.take(at.mapping, address, now);
  if (tooFast !== null) return refuse(tooFast);
  const choice = chooseAgent(site, at, visit.by, slot);
  if (!choice.ok) return refuse(choice.failure);
  return {
    ...permitted,
    agent: choice.agent,
    others: choice.others,
    source,
  };
}

/** The agent that a visitor would get, or why none. */
export function chooseAgent(
  { agents }: Pick<AdmitContext, "agents">,
  { mapping, target }: MappedEndpoint,
  by: Credential,
  slot?: number,
): AgentChoice {
  const wanted = { site: mapping.site, target, single: needsOne(mapping, capsOf(by)) };
  return slot === undefined ? agents.choose(wanted) : agents.named(slot, wanted);
}

/** Whether rules, grants and tokens let a visitor in, whatever agents there are. */
export function permit(site: PermitContext, visit: Visit, now: number): Permitted | Refused {
  const { rules } = site;
  const at = rules.at(visit.endpoint);
  const refuse = (code: Failure["code"], reason: string): Refused => ({ ok: false, failure: { code, reason }, at });
  if (visit.by.kind === "lane") {
    const outside = outsideReason(visit.by, visit.endpoint, at, rules);
    if (outside !== null) return refuse("denied", outside);
  }
  const ended = credentialFailure(site, visit.by, now);
  if (ended !== null) return refuse(ended.code, ended.reason);
  if (rules.revision < 0) return refuse("busy", "the relay has no rules yet");
  if (at === undefined) return refuse("no-mapping", `nothing is mapped to ${visit.endpoint}`);
  const verdict = judge(rules, at.rule, visit, now);
  return verdict.ok ? { ok: true, at, grant: verdict.grant } : { ok: false, failure: verdict.failure, at };
}

/** Whether a stream of a lane's end may go on after its RESUME: its agent knows the mapping, the relay no more of it. */
export function mayResume(site: PermitContext, token: LaneToken, mapping: number, now: number): boolean {
  const { pass } = token;
  const by = { kind: "lane", ...token } as const;
  if (credentialFailure(site, by, now) !== null) return false;
  // A stream that was never answered has no mapping yet: it is opened, and so judged, again.
  if (mapping === 0) return true;
  const rule = site.rules.byId(mapping);
  if (rule === undefined || (rule.mapping.expires !== null && rule.mapping.expires <= now)) return false;
  if (reachedBy(token, rule, site.rules).length === 0) return false;
  if (pass.kind === "gateway") return true;
  const address = parseAddress(pass.address);
  return address.ok && judge(site.rules, rule, { endpoint: rule.mapping.endpoint, address: address.value, by }, now).ok;
}

/** What a rule, its grants and the visitor's credential say of a visitor. */
function judge(rules: Rules, rule: Parsed<Mapping>, { endpoint, address, by }: Visit, now: number): Verdict {
  const refuse = (code: Failure["code"], reason: string): Verdict => ({ ok: false, failure: { code, reason } });
  // Since the Worker looked, another mapping may have come to that endpoint.
  if (by.kind === "judged" && by.mapping !== 0 && by.mapping !== rule.mapping.id)
    return refuse("denied", `the token was judged for what was mapped to ${endpoint} before`);
  if (by.kind === "lane" && rule.endpoint.kind === "http")
    return refuse("denied", "HTTP endpoints are not opened as byte streams");
  if (address === undefined) return refuse("denied", "the visitor's address is not known");
  if (by.kind === "lane" && by.pass.kind === "client" && !mayComeFrom(by.opens, address))
    return refuse("denied", `the token may not be used from ${address.text}`);
  return decide(rule, rules.current.grants, { address, via: viaOf(by), now });
}

/** Why a credential counts no more; null while it does. */
function credentialFailure({ rules, tokenUsage }: PermitContext, by: Credential, now: number): Failure | null {
  const token = tokenOf(by);
  const until = by.kind === "lane" ? by.pass.expires * 1000 : by.kind === "judged" ? by.until : null;
  if (until !== null && until <= now) return { code: "expired", reason: "the token has expired" };
  if (token !== "" && (rules.isRevoked(token) || tokenUsage.isOver(token)))
    return { code: "denied", reason: "the token is revoked" };
  return null;
}

/** Why a lane's token opens no such endpoint; null if it does. Nothing is said of mappings that it does not reach, not even whether they exist. */
function outsideReason(token: LaneToken, text: string, at: MappedEndpoint | undefined, rules: Rules): string | null {
  // What a stranger names is parsed only where nothing is mapped to it.
  const endpoint = at === undefined ? parseEndpoint(text) : ok(at.endpoint);
  const named = token.opens.scopes;
  const counting = at === undefined ? named : scopesOf(token, at.rule, rules);
  if (endpoint.ok && isWithin(endpoint.value, counting)) return null;
  const isNamed = endpoint.ok && isWithin(endpoint.value, named);
  const shown = text.slice(0, 100);
  return isNamed ? `the token was issued for what was mapped to ${shown} before` : `the token does not open ${shown}`;
}

/** The parts of a rule's endpoint that a lane's token opens. */
export function reachedBy(token: LaneToken, rule: Parsed<Mapping>, rules: Rules): Part[] {
  return partsWithin(scopesOf(token, rule, rules), rule.endpoint);
}

/** The scopes that count for a mapping; of a lane that an older version let in, it is not known when its token was issued. */
function scopesOf(
  { pass, opens: { scopes } }: LaneToken,
  { mapping, endpoint }: Parsed<Mapping>,
  rules: Rules,
): Scopes {
  const since = rules.since(mapping.id);
  const issued = pass.kind === "gateway" ? null : (pass.issued ?? 0);
  return since === 0 ? scopes : scopesFor(scopes, endpoint, issued, since);
}
