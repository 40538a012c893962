import { overlap } from "../address/endpoint.ts";
import { checkTogether } from "./mapping-check.ts";
import { HttpOptionsInput, type MappingDraft, MappingInput } from "./mapping-input.ts";
import { type Fault, fault, ok, type Result } from "../result.ts";
import { conform } from "../schema.ts";
import type { Parsed } from "./parsed.ts";

/** Who did something (`sub` of the token) and when (milliseconds since 1970). */
export interface Stamp {
  readonly by: string;
  readonly at: number;
}

/** A rule of the register. `revision` is its site's, as of its last change. */
export interface Mapping extends MappingDraft {
  readonly id: number;
  readonly created: Stamp;
  readonly changed: Stamp;
  readonly revision: number;
}

/** What the register adds to a draft. */
export type Registration = Pick<Mapping, "id" | "created" | "changed" | "revision">;

/** A rule, with its texts as values, from whatever a user gave, or what is wrong with it. */
export function parseRule(input: unknown): Result<Parsed<MappingDraft>> {
  const fields = conform(MappingInput, input, "bad-mapping");
  return fields.ok ? checkTogether(fields.value, HttpOptionsInput.parse({})) : fields;
}

/** Parses a draft, for programs that only store or show it. */
export function parseMapping(input: unknown): Result<MappingDraft> {
  const rule = parseRule(input);
  return rule.ok ? ok(rule.value.mapping) : rule;
}

/** Combines a rule with what the register has added to it. */
export function registered(rule: Parsed<MappingDraft>, registration: Registration): Parsed<Mapping> {
  return { ...rule, mapping: { ...rule.mapping, ...registration } };
}

/**
 * Reads a stored mapping, maybe of another version: a field added since has its default. A mapping with a field that this version
 * doesn't know may restrict more than this version sees, so it is a fault, and must not be used.
 */
export function storedMapping({ id, created, changed, revision, ...draft }: Mapping): Result<Parsed<Mapping>> {
  const rule = parseRule(draft);
  return rule.ok ? ok(registered(rule.value, { id, created, changed, revision })) : rule;
}

/** Changes some fields of a mapping; in `http`, too, only those given. */
export function editMapping(mapping: MappingDraft, changes: unknown): Result<Parsed<MappingDraft>> {
  if (!isRecord(changes)) return fault("bad-mapping", "Changes are an object of fields.");
  const http = isRecord(changes["http"]) ? { ...mapping.http, ...changes["http"] } : changes["http"];
  return parseRule({ ...draftOf(mapping), ...changes, ...(http === undefined ? {} : { http }) });
}

/** Returns the part of a mapping that admins decide on. */
export function draftOf(mapping: MappingDraft): MappingDraft {
  const fields = Object.entries(mapping).filter(([key]) => Object.hasOwn(MappingInput.shape, key));
  return Object.fromEntries(fields) as unknown as MappingDraft;
}

/** Returns a fault if two mappings would own the same port or URL; undefined if they don't. */
export function conflict(
  draft: Parsed<MappingDraft>,
  { endpoint, mapping: other }: Parsed<Mapping>,
): Fault | undefined {
  const shared = overlap(draft.endpoint, endpoint);
  if (!shared) return undefined;
  const rule = `${other.endpoint} -> ${other.site} ${other.target}${other.name && ` (${other.name})`}`;
  return {
    code: "conflict",
    message: `${shared} is taken by mapping ${other.id}, ${rule}.`,
    fix: `Choose another endpoint, or remove that one: sallyport map rm ${other.endpoint}`,
  };
}

export function isExpired(mapping: MappingDraft, now: number): boolean {
  return mapping.expires !== null && mapping.expires <= now;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
