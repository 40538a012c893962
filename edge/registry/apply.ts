import { parseRule, type Mapping } from "../../shared/rule/mapping.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import type { Parsed } from "../../shared/rule/parsed.ts";
import { differences } from "../../shared/rule/register.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import { matches } from "./etag.ts";
import { EndpointClaims } from "./endpoint-claims.ts";
import { auditMapping } from "./mapping-audit.ts";
import { blockedByUnreadable, gatewaysOf, stampOf } from "./mapping-changes.ts";
import { servingProblem, type Platform } from "./platform.ts";
import { noSuchSiteProblem } from "./site-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** The desired state of the register. */
export type ApplyRequest = {
  mappings: unknown[];
  /** True to keep mappings that are not in `mappings`; false to remove them. */
  keep: boolean;
  dryRun: boolean;
  /** ETag of the register that the client last saw; undefined to apply in any case. */
  ifMatch: string | undefined;
};

/** One difference. `before` is absent for a mapping that is added, `after` for one that is removed. */
export type Change = { before?: Mapping; after?: MappingDraft };
export type ApplyResult = { changes: Change[]; unchanged: number; tag: string };

/** A change with the parsed rule that is written to the tables. */
type Step = { before?: Mapping; after?: Parsed<MappingDraft> };

/**
 * Brings the register to the requested state, atomically and idempotently. Returns the first problem if a rule can't be applied.
 */
export function applyRules(
  store: Store,
  platform: Platform,
  request: ApplyRequest,
  actor: Actor,
): Outcome<ApplyResult> {
  if (!matches(request.ifMatch, `"${store.mappings.tag}"`)) return refused(registerChangedProblem());
  const drafts: Parsed<MappingDraft>[] = [];
  for (const [entry, input] of request.mappings.entries()) {
    const draft = parseRule(input);
    if (!draft.ok) return refused({ ...invalid(draft.error).problem, entry });
    drafts.push(draft.value);
  }
  const present = store.mappings.rules();
  const wanted = new Set(drafts.map(({ mapping }) => mapping.endpoint));
  const others = present.filter(({ mapping }) => !wanted.has(mapping.endpoint));
  // Mappings that an agent published (`agent expose`) are managed by that agent.
  const kept = others.filter(({ mapping }) => request.keep || isPublishedByAgent(mapping));
  const problem = firstProblem(store, platform, drafts, kept, actor.now);
  if (problem !== undefined) return refused(problem);

  const byEndpoint = new Map(present.map(({ mapping }) => [mapping.endpoint, mapping]));
  const steps: Step[] = others.filter((rule) => !kept.includes(rule)).map(({ mapping: before }) => ({ before }));
  let unchanged = 0;
  for (const after of drafts) {
    const before = byEndpoint.get(after.mapping.endpoint);
    if (before === undefined) steps.push({ after });
    else if (differences(before, after.mapping).length > 0) steps.push({ before, after });
    else unchanged += 1;
  }
  if (!request.dryRun) write(store, steps, actor);
  const changes = steps.map(({ after, ...step }) => (after === undefined ? step : { ...step, after: after.mapping }));
  return done({ changes, unchanged, tag: store.mappings.tag });
}

function write(store: Store, steps: readonly Step[], actor: Actor): void {
  if (steps.length === 0) return;
  const sites = new Set(
    steps.flatMap(({ before, after }) => [before?.site, after?.mapping.site]).filter((site) => site !== undefined),
  );
  const revisions = new Map([...sites].map((site) => [site, store.sites.touch(site)]));
  const stamp = stampOf(actor);
  for (const { before, after } of steps) {
    const revision = revisions.get(after?.mapping.site ?? "") ?? 0;
    if (after === undefined && before !== undefined) {
      store.mappings.remove(before.id, actor.now);
      store.journal.forget(before.id);
      auditMapping(store, actor, "map rm", before);
    } else if (after !== undefined && before !== undefined) {
      store.mappings.change(before.id, after, stamp, revision);
      auditMapping(store, actor, "map edit", { ...before, ...after.mapping }, before);
    } else if (after !== undefined) {
      auditMapping(store, actor, "map add", store.mappings.add(after, stamp, revision));
    }
  }
  const count = (kind: string, hit: (step: Step) => boolean): string => `${steps.filter(hit).length} ${kind}`;
  const detail = [
    count("added", ({ before }) => before === undefined),
    count("changed", ({ before, after }) => before !== undefined && after !== undefined),
    count("removed", ({ after }) => after === undefined),
  ].join(", ");
  store.journal.audit(actor, "map apply", "register", detail);
}

/** Returns the problem of the first rule that can't be applied; `entry` is its index in the request. */
function firstProblem(
  store: Store,
  platform: Platform,
  drafts: readonly Parsed<MappingDraft>[],
  kept: readonly Parsed<Mapping>[],
  now: number,
): Problem | undefined {
  const sites = new Set(store.sites.list().map(({ name }) => name));
  const urls = store.urls.list();
  const gateways = gatewaysOf(store, now);
  const claims = new EndpointClaims();
  const unreadableRules = new Map(store.mappings.unreadable().map((each) => [each.endpoint, each]));
  for (const { mapping, endpoint } of kept) {
    claims.claim(endpoint, `mapping ${mapping.id}, ${mapping.endpoint} -> ${mapping.site} ${mapping.target}`);
  }
  for (const [entry, rule] of drafts.entries()) {
    const { mapping: draft } = rule;
    const existing = claims.claim(
      rule.endpoint,
      `${draft.endpoint} -> ${draft.site} ${draft.target}, rule ${entry + 1} of this request`,
    );
    const problem = sites.has(draft.site)
      ? servingProblem(rule, platform, urls, gateways)
      : { ...noSuchSiteProblem(draft.site), field: "site" };
    const unreadableRule = unreadableRules.get(draft.endpoint);
    if (unreadableRule !== undefined) return { ...blockedByUnreadable(unreadableRule), entry, field: "endpoint" };
    if (existing !== undefined) return { ...overlapProblem(draft.endpoint, existing), entry, field: "endpoint" };
    if (problem !== undefined) return { field: "endpoint", ...problem, entry };
  }
  return undefined;
}

function overlapProblem(endpoint: string, existing: string): Problem {
  return {
    status: 409,
    code: "conflict",
    title: "Conflicts with another rule",
    detail: `${endpoint} overlaps with ${existing}.`,
    fix: "Choose another endpoint, or leave out one of the two rules.",
  };
}

function registerChangedProblem(): Problem {
  return {
    status: 412,
    code: "changed-meanwhile",
    title: "Changed since it was read",
    detail: "The register was changed after the difference was computed.",
    fix: "Compute the difference again, review it, and apply that.",
  };
}

function isPublishedByAgent({ created }: Mapping): boolean {
  return created.by.startsWith("agent:");
}
