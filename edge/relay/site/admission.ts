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
import { needsSingleAgent } from "./dial.ts";
import type { MappedEndpoint } from "./mapped-endpoint.ts";
import type { Rates } from "./rates.ts";
import type { Rules } from "./rules.ts";
import type { TokenUsage } from "./token-usage.ts";
import { capsOf, tokenOf, viaOf, type Credential, type LaneToken, type Visit } from "./visit.ts";

/** What `permit` needs of a `Site`. */
type PermitContext = { readonly rules: Rules; readonly tokenUsage: TokenUsage };
/** What `admit` needs of a `Site`. */
type AdmitContext = PermitContext & {
  readonly agents: Agents;
  readonly rates: Rates;
  readonly visits: { limitExceeded: (mapping: Mapping, source: string) => Failure | null };
};

/** `at`: the endpoint that the visitor asked for; undefined where nothing is mapped to it. */
export type Refused = { readonly ok: false; readonly failure: Failure; readonly at: MappedEndpoint | undefined };
export type Permitted = { readonly ok: true; readonly at: MappedEndpoint; readonly grant: Grant | undefined };
export type Admitted = Permitted & {
  readonly agent: End;
  /** Agents to try when `agent` refuses to dial the target. */
  readonly others: readonly End[];
  /** The visitor's source address or network, by which streams are counted. */
  readonly source: string;
};

/**
 * Decides whether a visitor may open a stream, and through which agent. Every door uses it. `slot` is the agent that a caller
 * names; for visitors at the edge's own doors the relay chooses one. Synchronous: with one await, DATA overtakes OPEN (measured).
 */
export function admit(site: AdmitContext, visit: Visit, now: number, slot?: number): Admitted | Refused {
  const permitted = permit(site, visit, now);
  if (!permitted.ok) return permitted;
  const { at } = permitted;
  const refuse = (failure: Failure): Refused => ({ ok: false, failure, at });
  const { address } = visit;
  if (address === undefined) return refuse({ code: "denied", reason: "the visitor's address is not known" });
  const source = sourceBucket(address);
  // Agents count the streams of callers: a relay doesn't know them after hibernation.
  const excess = slot === undefined ? site.visits.limitExceeded(at.mapping, source) : null;
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

/** Chooses the agent for a visitor, or returns why there is none. */
export function chooseAgent(
  { agents }: Pick<AdmitContext, "agents">,
  { mapping, target }: MappedEndpoint,
  by: Credential,
  slot?: number,
): AgentChoice {
  const request = { site: mapping.site, target, single: needsSingleAgent(mapping, capsOf(by)) };
  return slot === undefined ? agents.choose(request) : agents.checkNamed(slot, request);
}

/** Decides by rules, grants and tokens alone whether a visitor may open a stream; agents and rates don't count. */
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

/** Whether a stream of a caller may go on after RESUME. The relay knows only its mapping, which the agent has stated. */
export function mayResume(site: PermitContext, token: LaneToken, mapping: number, now: number): boolean {
  const { pass } = token;
  const by = { kind: "lane", ...token } as const;
  if (credentialFailure(site, by, now) !== null) return false;
  // An unanswered stream has no mapping yet; the caller opens it again, and it is judged by that OPEN.
  if (mapping === 0) return true;
  const rule = site.rules.byId(mapping);
  if (rule === undefined || (rule.mapping.expires !== null && rule.mapping.expires <= now)) return false;
  if (partsOpenedBy(token, rule, site.rules).length === 0) return false;
  if (pass.kind === "gateway") return true;
  const address = parseAddress(pass.address);
  return address.ok && judge(site.rules, rule, { endpoint: rule.mapping.endpoint, address: address.value, by }, now).ok;
}

/** Decides by a rule, its grants and the visitor's credential. */
function judge(rules: Rules, rule: Parsed<Mapping>, { endpoint, address, by }: Visit, now: number): Verdict {
  const refuse = (code: Failure["code"], reason: string): Verdict => ({ ok: false, failure: { code, reason } });
  // Another mapping may have taken this endpoint since the Worker checked the token.
  if (by.kind === "judged" && by.mapping !== 0 && by.mapping !== rule.mapping.id)
    return refuse("denied", `the token was checked for an earlier mapping of ${endpoint}`);
  if (by.kind === "lane" && rule.endpoint.kind === "http")
    return refuse("denied", "an HTTP endpoint can't be opened as a byte stream");
  if (address === undefined) return refuse("denied", "the visitor's address is not known");
  if (by.kind === "lane" && by.pass.kind === "client" && !mayComeFrom(by.opens, address))
    return refuse("denied", `the token may not be used from ${address.text}`);
  return decide(rule, rules.current.grants, { address, via: viaOf(by), now });
}

/** Returns why a credential is no longer valid; null while it is. */
function credentialFailure({ rules, tokenUsage }: PermitContext, by: Credential, now: number): Failure | null {
  const token = tokenOf(by);
  const until = by.kind === "lane" ? by.pass.expires * 1000 : by.kind === "judged" ? by.until : null;
  if (until !== null && until <= now) return { code: "expired", reason: "the token has expired" };
  if (token !== "" && (rules.isRevoked(token) || tokenUsage.isOver(token)))
    return { code: "denied", reason: "the token is revoked" };
  return null;
}

/** Returns why a lane's token doesn't open an endpoint; null if it does. The reason doesn't reveal whether anything is mapped there. */
function outsideReason(token: LaneToken, text: string, at: MappedEndpoint | undefined, rules: Rules): string | null {
  // A mapped endpoint is parsed already; only other texts are parsed here.
  const endpoint = at === undefined ? parseEndpoint(text) : ok(at.endpoint);
  const named = token.opens.scopes;
  const counting = at === undefined ? named : scopesOf(token, at.rule, rules);
  if (endpoint.ok && isWithin(endpoint.value, counting)) return null;
  const isNamed = endpoint.ok && isWithin(endpoint.value, named);
  const shown = text.slice(0, 100);
  return isNamed ? `the token was issued for what was mapped to ${shown} before` : `the token does not open ${shown}`;
}

/** Returns the parts of a rule's endpoint that a lane's token opens. */
export function partsOpenedBy(token: LaneToken, rule: Parsed<Mapping>, rules: Rules): Part[] {
  return partsWithin(scopesOf(token, rule, rules), rule.endpoint);
}

/** Returns the scopes of a token that count for a mapping. A lane accepted by an older version has no `issued`, which counts as 0. */
function scopesOf(
  { pass, opens: { scopes } }: LaneToken,
  { mapping, endpoint }: Parsed<Mapping>,
  rules: Rules,
): Scopes {
  const since = rules.since(mapping.id);
  const issued = pass.kind === "gateway" ? null : (pass.issued ?? 0);
  return since === 0 ? scopes : scopesFor(scopes, endpoint, issued, since);
}
