import { parse, stringify, TomlDate, TomlError } from "smol-toml";
import { parseMapping } from "./mapping.ts";
import type { MappingDraft } from "./mapping-input.ts";
import { ruleOf } from "./register.ts";

// The register as a TOML file, with one [[mapping]] for each rule. Faults name their line.

/** A rule of a file: its fields, and the lines they are on, counted from 1. */
export type FileRule = { input: Record<string, unknown>; line: number; lines: ReadonlyMap<string, number> };

/** A fault in a file, its line, and what to write instead. */
export type FileFault = { line: number; message: string; fix: string };

class Wrong extends Error {
  readonly fault: FileFault;

  constructor(line: number, message: string, fix: string) {
    super(message);
    this.fault = { line, message, fix };
  }
}

/** Reads the rules of a file. Returns the first fault, if there is one. */
export function readRules(text: string): { ok: true; rules: FileRule[] } | { ok: false; fault: FileFault } {
  try {
    return { ok: true, rules: rulesOf(text) };
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, fault: error.fault };
    throw error;
  }
}

function rulesOf(text: string): FileRule[] {
  const places = placesIn(text);
  const { mapping = [], ...others } = documentOf(text);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new Wrong(lineOfKey(text, unknown), `${unknown} has no meaning here`, "a rule begins with [[mapping]]");
  if (!Array.isArray(mapping))
    throw new Wrong(lineOfKey(text, "mapping"), "mapping is no list", "begin each rule with [[mapping]]");
  const rules = mapping.map((input, index): FileRule => {
    const place = places[index] ?? { line: 1, lines: new Map<string, number>() };
    return { input: plain(input, place) as Record<string, unknown>, ...place };
  });
  const seen = new Map<string, FileRule>();
  for (const rule of rules) {
    const draft = parseMapping(rule.input);
    if (!draft.ok) throw new Wrong(lineOf(rule, draft.error.path), draft.error.message, draft.error.fix ?? "");
    const twin = seen.get(draft.value.endpoint);
    if (twin !== undefined) {
      throw new Wrong(
        lineOf(rule, "endpoint"),
        `${draft.value.endpoint} is on line ${lineOf(twin, "endpoint")} already`,
        "leave one of them out",
      );
    }
    seen.set(draft.value.endpoint, rule);
  }
  return rules;
}

/** Returns the line of a field of a rule; if the field is not in the file, the line of the rule. */
export function lineOf({ line, lines }: FileRule, field: string | undefined): number {
  for (let path = field ?? ""; path !== ""; path = path.slice(0, Math.max(0, path.lastIndexOf(".")))) {
    const found = lines.get(path);
    if (found !== undefined) return found;
  }
  return line;
}

/** Writes rules as such a file. */
export function writeRules(mappings: readonly MappingDraft[], heading: string): string {
  const rules = mappings.map((mapping) => {
    const { expires, ...rule } = ruleOf(mapping);
    return expires === undefined ? rule : { ...rule, expires: new TomlDate(expires as string) };
  });
  // Each rule by itself, so that its `http` table follows it.
  const texts = rules.map((rule) => stringify({ mapping: [rule] }).trimEnd());
  return `${[`# ${heading}`, ...texts].join("\n\n")}\n`;
}

function documentOf(text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [message = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new Wrong(error.line, `${message} (column ${error.column})`, "see toml.io for how TOML is written");
  }
}

/** Turns TOML's dates into ISO 8601 texts, as in JSON. `path`: the field. */
function plain(value: unknown, place: Omit<FileRule, "input">, path = ""): unknown {
  if (value instanceof TomlDate) {
    if (value.isDate()) return `${value.toISOString().slice(0, 10)}T00:00:00Z`;
    if (!value.isLocal()) return new Date(value.getTime()).toISOString();
    throw new Wrong(lineOf({ ...place, input: {} }, path), `${path} names no time zone`, "write Z or +02:00 after it");
  }
  if (Array.isArray(value)) return value.map((each) => plain(each, place, path));
  if (typeof value !== "object" || value === null) return value;
  const inner = Object.entries(value).map(([key, each]) => [
    key,
    plain(each, place, path === "" ? key : `${path}.${key}`),
  ]);
  return Object.fromEntries(inner);
}

/** Finds the lines of each [[mapping]] and of its fields. It only counts lines; the parser checks the text. */
function placesIn(text: string): { line: number; lines: Map<string, number> }[] {
  const places: { line: number; lines: Map<string, number> }[] = [];
  let prefix = "";
  let quoted: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const inside = quoted !== undefined;
    for (const mark of line.match(/"""|'''/g) ?? [])
      quoted = quoted === undefined ? mark : quoted === mark ? undefined : quoted;
    if (inside) continue;
    const table = /^\s*\[\[?\s*([\w.\s]+?)\s*\]/.exec(line)?.[1]?.replace(/\s/g, "");
    const key = /^\s*["']?([\w-]+(?:\.[\w-]+)*)["']?\s*=/.exec(line)?.[1];
    if (table === "mapping") {
      places.push({ line: index + 1, lines: new Map() });
      prefix = "";
    } else if (table !== undefined) {
      prefix = `${table.replace(/^mapping\./, "")}.`;
      places.at(-1)?.lines.set(prefix.slice(0, -1), index + 1);
    } else if (key !== undefined) {
      places.at(-1)?.lines.set(`${prefix}${key}`, index + 1);
    }
  }
  return places;
}

function lineOfKey(text: string, key: string): number {
  const at = text.split("\n").findIndex((line) =>
    line
      .trimStart()
      .replace(/^\[+\s*/, "")
      .startsWith(key),
  );
  return at < 0 ? 1 : at + 1;
}
