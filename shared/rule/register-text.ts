import type { MappingView } from "./api.ts";
import { FIELDS, isDefault, textOf, valueOf, type NamedField } from "./fields.ts";
import { draftOf } from "./mapping.ts";
import type { MappingDraft } from "./mapping-input.ts";
import { writeRules } from "./rules-file.ts";
import { clean } from "../text.ts";

export const FORMATS = ["md", "csv", "json", "toml"] as const;
export type Format = (typeof FORMATS)[number];

/** Turns a mapping of the API into its rule. */
export function ruleFrom(mapping: MappingView): MappingDraft {
  return draftOf({ ...mapping, expires: mapping.expires === null ? null : Date.parse(mapping.expires) });
}

/** Writes the register as a document: for people (md), tables (csv), programs (json), or to be applied again (toml). */
export function registerText(mappings: readonly MappingView[], format: Format, url: string): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(mappings, undefined, 2)}\n`;
    case "toml":
      return writeRules(
        mappings.map(ruleFrom),
        `The register of ${url}. After changes: sallyport map apply FILE --dry-run`,
      );
    case "csv":
      return [titles(), ...mappings.map(rowOf)].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
    case "md":
      return [
        `# Register of ${url}\n`,
        markdownRow(titles()),
        markdownRow(titles().map(() => "---")),
        ...mappings.map((mapping) => markdownRow(rowOf(mapping).map(markdownCell))),
        "",
      ].join("\n");
  }
}

function titles(): string[] {
  return COLUMNS.map(({ title }) => title);
}

function rowOf(mapping: MappingView): string[] {
  return COLUMNS.map(({ text }) => text(mapping));
}

type Column = { readonly title: string; readonly text: (mapping: MappingView) => string };

/** Columns that keep their position, because programs count columns. Later ones follow the last of them. */
const COLUMNS: readonly Column[] = [
  ...columnsOf(FIELDS.filter(({ column, later }) => column !== undefined && later === undefined)),
  { title: "Last used", text: ({ lastUsed }) => lastUsed ?? "" },
  { title: "Added", text: ({ created }) => created.at },
  { title: "Added by", text: ({ created }) => created.by },
  { title: "Changed", text: ({ changed }) => changed.at },
  { title: "Changed by", text: ({ changed }) => changed.by },
  ...columnsOf(FIELDS.filter(({ column }) => column === undefined)),
  ...columnsOf(FIELDS.filter(({ column, later }) => column !== undefined && later !== undefined)),
];

/** The columns of some fields, each once. */
function columnsOf(fields: readonly NamedField[]): Column[] {
  const titleOf = ({ column = "Options" }: NamedField): string => column;
  return [...new Set(fields.map(titleOf))].map((title) => {
    const those = fields.filter((field) => titleOf(field) === title);
    const [only, ...others] = those;
    if (only !== undefined && others.length === 0)
      return { title, text: (mapping) => textOf(valueOf(mapping, only), only, " ") };
    return { title, text: (mapping) => those.flatMap((field) => partOf(mapping, field)).join(", ") };
  });
}

/** What a field adds to the column that it shares: nothing where its value is the default. */
function partOf(mapping: MappingView, field: NamedField): string[] {
  const value = valueOf(mapping, field);
  if (isDefault(value, field)) return [];
  const text = textOf(value, field, " ");
  return [field.unit === undefined ? `${field.title} ${text}` : `${text} ${field.unit}`];
}

/** Quotes a CSV cell (RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe (OWASP, CSV injection). */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function markdownCell(text: string): string {
  return clean(text, 1000).replace(/[\\|`*_[\]<>#]/g, (character) => `\\${character}`);
}
