import { draftOf, parseMapping } from "./mapping.ts";
import type { MappingDraft } from "./mapping-input.ts";
import { unwrap } from "../result.ts";

// Rules as they are written in documents, and the differences between two versions of one.

/** A field in which two rules differ; a value is undefined where it is the default. */
export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Returns a rule's fields without those that have their default. Valid input of `parseMapping`. */
export function ruleOf(mapping: MappingDraft): Record<string, unknown> {
  const rule = draftOf(mapping);
  const { endpoint, site, target } = rule;
  const defaults = unwrap(parseMapping({ endpoint, site, target }));
  const decided = Object.entries(rule).flatMap(([field, value]): [string, unknown][] => {
    if (["endpoint", "site", "target"].includes(field)) return [[field, value]];
    if (field === "http" && rule.http !== null) {
      const http = differing(rule.http, defaults.http ?? {});
      return Object.keys(http).length === 0 ? [] : [[field, http]];
    }
    if (same(value, defaults[field as keyof MappingDraft])) return [];
    return [[field, field === "expires" && rule.expires !== null ? new Date(rule.expires).toISOString() : value]];
  });
  return Object.fromEntries(decided);
}

/** Lists the fields in which two rules differ, those of `http` one by one (`http.tlsVerify`). */
export function differences(before: MappingDraft, after: MappingDraft): FieldChange[] {
  const [was, is] = [flat(ruleOf(before)), flat(ruleOf(after))];
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return fields
    .filter((field) => !same(was[field], is[field]))
    .map((field) => ({ field, before: was[field], after: is[field] }));
}

function differing(fields: object, usual: object): Record<string, unknown> {
  const defaults = usual as Record<string, unknown>;
  return Object.fromEntries(Object.entries(fields).filter(([field, value]) => value !== defaults[field]));
}

function flat({ http, ...fields }: Record<string, unknown>): Record<string, unknown> {
  const options = Object.entries(http ?? {}).map(([field, value]) => [`http.${field}`, value]);
  return { ...fields, ...Object.fromEntries(options) };
}

/** Fields are plain values or lists of texts. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
