import type { GatewayClaims } from "../../shared/rule/claims.ts";
import { formatEndpoint, overlap, parseEndpoint } from "../../shared/address/endpoint.ts";
import { conflict, editMapping, parseRule, type Mapping } from "../../shared/rule/mapping.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import type { Parsed } from "../../shared/rule/parsed.ts";
import { parseScopes, type Scopes } from "../../shared/rule/reach.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import { mappingChanged, etagOf, matches } from "./etag.ts";
import { auditMapping } from "./mapping-audit.ts";
import { servingProblem, type Platform } from "./platform.ts";
import { noSuchSiteProblem } from "./site-changes.ts";
import type { Unreadable } from "./mappings.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Adds a mapping from unchecked input. */
export function addMapping(store: Store, platform: Platform, input: unknown, actor: Actor): Outcome<Mapping> {
  const draft = parseRule(input);
  if (!draft.ok) return invalid(draft.error);
  const problem = mappingProblem(store, platform, draft.value, undefined, actor.now);
  if (problem !== undefined) return refused(problem);
  const mapping = store.mappings.add(draft.value, stampOf(actor), store.sites.touch(draft.value.mapping.site));
  auditMapping(store, actor, "map add", mapping);
  return done(mapping);
}

/** Changes some fields of a mapping; its id stays. `ifMatch`: refuse unless the mapping still has this ETag. */
export function changeMapping(
  store: Store,
  platform: Platform,
  endpoint: string,
  changes: unknown,
  actor: Actor,
  ifMatch?: string,
): Outcome<Mapping> {
  const before = findMapping(store, endpoint);
  if (!before.ok) return before;
  if (!matches(ifMatch, etagOf(before.value))) return refused(mappingChanged(before.value));
  const draft = editMapping(before.value, changes);
  if (!draft.ok) return invalid(draft.error);
  const problem = mappingProblem(store, platform, draft.value, before.value.id, actor.now);
  if (problem !== undefined) return refused(problem);
  const { id, site, created } = before.value;
  const { mapping: after } = draft.value;
  if (site !== after.site) store.sites.touch(site);
  const revision = store.sites.touch(after.site);
  store.mappings.change(id, draft.value, stampOf(actor), revision);
  const mapping = { ...after, id, created, changed: stampOf(actor), revision };
  auditMapping(store, actor, "map edit", mapping, before.value);
  return done(mapping);
}

/** Removes a mapping. Returns it, or null if it was unreadable. */
export function removeMapping(store: Store, endpoint: string, actor: Actor, ifMatch?: string): Outcome<Mapping | null> {
  const unreadable = store.mappings.unreadable().find((each) => each.endpoint === endpoint);
  if (unreadable !== undefined) return removeUnreadable(store, unreadable, actor);
  const found = findMapping(store, endpoint);
  if (!found.ok) return found;
  if (!matches(ifMatch, etagOf(found.value))) return refused(mappingChanged(found.value));
  store.mappings.remove(found.value.id, actor.now);
  store.journal.forget(found.value.id);
  store.sites.touch(found.value.site);
  auditMapping(store, actor, "map rm", found.value);
  return found;
}

/** Removes a rule that can't be read. Only its id, endpoint and site are known. */
function removeUnreadable(store: Store, { id, endpoint, site }: Unreadable, actor: Actor): Outcome<null> {
  store.mappings.remove(id, actor.now);
  store.journal.forget(id);
  store.sites.touch(site);
  store.journal.audit(actor, "map rm", endpoint, "could not be read");
  return done(null);
}

/** Finds the mapping with this endpoint, in any spelling. */
export function findMapping(store: Store, text: string): Outcome<Mapping> {
  const found = findRule(store, text);
  return found.ok ? done(found.value.mapping) : found;
}

/** Finds the mapping with this endpoint, in any spelling, with its parsed fields. */
export function findRule(store: Store, text: string): Outcome<Parsed<Mapping>> {
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) return invalid(endpoint.error);
  const found = store.mappings.find(formatEndpoint(endpoint.value));
  if (found !== undefined) return done(found);
  const wider = store.mappings.rules().find((rule) => overlap(endpoint.value, rule.endpoint) !== undefined)?.mapping;
  const fix =
    wider === undefined
      ? "sallyport map ls lists all mappings."
      : `It is part of mapping ${wider.id}; use ${wider.endpoint}.`;
  return refused({
    status: 404,
    code: "no-such-mapping",
    title: "Not found",
    detail: `There is no mapping at ${formatEndpoint(endpoint.value)}.`,
    fix,
  });
}

/** Returns why this register or edge can't have the draft; undefined if it can. `self`: the id of the mapping that it replaces. */
function mappingProblem(
  store: Store,
  platform: Platform,
  draft: Parsed<MappingDraft>,
  self: number | undefined,
  now: number,
): Problem | undefined {
  const { site, endpoint } = draft.mapping;
  if (store.sites.find(site) === undefined) return noSuchSiteProblem(site);
  const unreadable = unreadableAt(store, endpoint);
  if (unreadable !== undefined && unreadable.id !== self) return blockedByUnreadable(unreadable);
  for (const other of store.mappings.rules()) {
    const fault = other.mapping.id === self ? undefined : conflict(draft, other);
    if (fault !== undefined) return invalid(fault).problem;
  }
  return servingProblem(draft, platform, store.urls.list(), gatewaysOf(store, now));
}

/** Returns the scopes of all valid gateway tokens. */
export function gatewaysOf(store: Store, now: number): Scopes[] {
  return store.tokens
    .list()
    .filter(({ kind, revoked, expires }) => kind === "gateway" && revoked === null && expires > now)
    .map(({ claims }) => parseScopes((claims as GatewayClaims).endpoints));
}

export function stampOf({ name, now }: Actor) {
  return { by: name, at: now };
}

/** Returns the unreadable rule with this endpoint, if there is one. */
export function unreadableAt(store: Store, endpoint: string): Unreadable | undefined {
  return store.mappings.unreadable().find((each) => each.endpoint === endpoint);
}

export function blockedByUnreadable({ id, endpoint, fault }: Unreadable): Problem {
  return {
    status: 409,
    code: "conflict",
    title: "Conflicts with another rule",
    detail: `${endpoint} belongs to mapping ${id}, which this version can't read: ${fault.message}`,
    fix: `Update the edge if a newer version wrote it; otherwise remove it: sallyport map rm ${endpoint}`,
  };
}
