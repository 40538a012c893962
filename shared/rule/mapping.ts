import { overlap, parseEndpoint } from "../address/endpoint.ts";
import { checkTogether } from "./mapping-check.ts";
import { HttpOptionsInput, type MappingDraft, MappingInput } from "./mapping-input.ts";
import { type Fault, fault, known, type Result } from "../result.ts";
import { conform } from "../schema.ts";
import { formatTarget, parseTarget, targetAt } from "../address/target.ts";

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

/** A draft from whatever a user gave, or what is wrong with it. */
export function parseMapping(input: unknown): Result<MappingDraft> {
  const fields = conform(MappingInput, input, "bad-mapping");
  return fields.ok ? checkTogether(fields.value, HttpOptionsInput.parse({})) : fields;
}

/**
 * A mapping that was stored, maybe by another version: a field added since has its default. One that this version does
 * not understand may restrict more than we would see, so it is a fault, and must not be used.
 */
export function storedMapping({ id, created, changed, revision, ...draft }: Mapping): Result<Mapping> {
  const parsed = parseMapping(draft);
  return parsed.ok ? { ok: true, value: { ...parsed.value, id, created, changed, revision } } : parsed;
}

/** The mapping with some fields changed; of `http`, too, only those given. */
export function editMapping(mapping: MappingDraft, changes: unknown): Result<MappingDraft> {
  if (!isRecord(changes)) return fault("bad-mapping", "Changes are an object of fields.");
  const http = isRecord(changes["http"]) ? { ...mapping.http, ...changes["http"] } : changes["http"];
  return parseMapping({ ...draftOf(mapping), ...changes, ...(http === undefined ? {} : { http }) });
}

/** The part of a mapping that its users decide on. */
export function draftOf(mapping: MappingDraft): MappingDraft {
  const fields = Object.entries(mapping).filter(([key]) => Object.hasOwn(MappingInput.shape, key));
  return Object.fromEntries(fields) as unknown as MappingDraft;
}

/** Why `draft` can't stand beside `other`: both would own the same port or URL. Undefined if they don't. */
export function conflict(draft: MappingDraft, other: Mapping): Fault | undefined {
  const shared = overlap(known(parseEndpoint(draft.endpoint)), known(parseEndpoint(other.endpoint)));
  if (!shared) return undefined;
  const rule = `${other.endpoint} -> ${other.site} ${other.target}${other.name && ` (${other.name})`}`;
  return {
    code: "conflict",
    message: `${shared} is taken by mapping ${other.id}, ${rule}.`,
    fix: `Choose another endpoint, or remove that one: sallyport map rm ${other.endpoint}`,
  };
}

/** The text of what to dial for a visitor of `port`; hosts and services have one target whatever the port. */
export function targetFor(mapping: MappingDraft, port: number): string {
  const endpoint = known(parseEndpoint(mapping.endpoint));
  const target = known(parseTarget(mapping.target));
  if (endpoint.kind !== "port" || target.kind !== "port") return mapping.target;
  return formatTarget(targetAt(target, endpoint, port));
}

export function isExpired(mapping: MappingDraft, now: number): boolean {
  return mapping.expires !== null && mapping.expires <= now;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
