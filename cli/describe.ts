import { clean } from "../shared/text.ts";
import type { MappingView } from "../shared/rule/api.ts";
import { FIELDS, isDefault, textOf, valueOf, type NamedField } from "../shared/rule/fields.ts";
import { ruleOf } from "../shared/rule/register.ts";
import { ruleFrom } from "../shared/rule/register-text.ts";

/** Describes a mapping, one line for each field; fields with their default value are left out. */
export function describeMapping(mapping: MappingView): string {
  const { id, created, changed, revision } = mapping;
  const { http } = ruleOf(ruleFrom(mapping));
  const facts: [string, string][] = [
    ["mapping", String(id)],
    ...FIELDS.filter((field) => !field.isHttp && !isDefault(valueOf(mapping, field), field)).map(
      (field): [string, string] => [field.title, shown(valueOf(mapping, field), field)],
    ),
    ["http", http === undefined ? "" : JSON.stringify(http)],
    ["added", `${created.at} by ${created.by}`],
    ["changed", changed.at === created.at ? "" : `${changed.at} by ${changed.by}`],
    ["revision", String(revision)],
  ];
  const filled = facts.filter(([, value]) => value !== "");
  const width = Math.max(...filled.map(([title]) => title.length));
  return filled.map(([title, value]) => `${title.padEnd(width)}  ${clean(value, 2048)}\n`).join("");
}

function shown(value: unknown, field: NamedField): string {
  return field.kind === "switch" ? JSON.stringify(value) : textOf(value, field, ", ");
}
