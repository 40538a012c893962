import { readRules, lineOf } from "../shared/rule/rules-file.ts";
import { parseMapping, draftOf } from "../shared/rule/mapping.ts";
import type { MappingDraft } from "../shared/rule/mapping-input.ts";

/** The rules in a pasted text, or what is wrong with it and where. */
export type ParsedRules =
  | {
      readonly ok: true;
      readonly rules: readonly Record<string, unknown>[];
      readonly placeOf: (entry: number, field?: string) => string;
    }
  | { readonly ok: false; readonly message: string };

/** Parses mappings in TOML or JSON, as `map export` writes them. */
export function parseRules(text: string): ParsedRules {
  if (/^\s*[[{]/.test(text) && !/^\s*\[\[/.test(text)) return fromJson(text);
  const read = readRules(text);
  if (!read.ok) {
    const { line, message, fix } = read.fault;
    return { ok: false, message: `Line ${line}: ${message}${fix === "" ? "" : ` — ${fix}`}` };
  }
  const { rules } = read;
  if (rules.length === 0) return { ok: false, message: "The text has no [[mapping]]." };
  return {
    ok: true,
    rules: rules.map(({ input }) => input),
    placeOf: (entry, field) => {
      const rule = rules[entry];
      return rule === undefined ? "" : `line ${lineOf(rule, field)}`;
    },
  };
}

function fromJson(text: string): ParsedRules {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: `Not JSON: ${error instanceof Error ? error.message : ""}` };
  }
  const list: unknown = isRecord(value) ? value["mappings"] : value;
  if (!Array.isArray(list)) return { ok: false, message: "The JSON is not a list of mappings." };
  const placeOf = (entry: number): string => `rule ${entry + 1}`;
  const rules: Record<string, unknown>[] = [];
  for (const [entry, item] of list.entries()) {
    if (!isRecord(item)) return { ok: false, message: `${placeOf(entry)} is not a JSON object.` };
    // Drops what only the edge sets, such as a mapping's id and when it was changed.
    const rule = draftOf(item as unknown as MappingDraft) as unknown as Record<string, unknown>;
    const draft = parseMapping(rule);
    if (!draft.ok) return { ok: false, message: `${placeOf(entry)}: ${draft.error.message}` };
    rules.push(rule);
  }
  return { ok: true, rules, placeOf };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
