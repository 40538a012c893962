import type { MappingView } from "./api.ts";
import { draftOf } from "./mapping.ts";
import type { MappingDraft } from "./mapping-input.ts";
import { writeRules } from "./rules-file.ts";
import { clean } from "../text.ts";

export const FORMATS = ["md", "csv", "json", "toml"] as const;
export type Format = (typeof FORMATS)[number];

/** A mapping of the API as the rule it is. */
export function ruleFrom(mapping: MappingView): MappingDraft {
  return draftOf({ ...mapping, expires: mapping.expires === null ? null : Date.parse(mapping.expires) });
}

/** The register as a document: for people (md), tables (csv), programs (json), or to be applied again (toml). */
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
      return [TITLES, ...mappings.map(rowOf)].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
    case "md":
      return [
        `# Register of ${url}\n`,
        markdownRow(TITLES),
        markdownRow(TITLES.map(() => "---")),
        ...mappings.map((mapping) => markdownRow(rowOf(mapping).map(markdownCell))),
        "",
      ].join("\n");
  }
}

const TITLES = [
  "Endpoint",
  "Site",
  "Target",
  "Service",
  "Owner",
  "Why",
  "Access",
  "Allowed from",
  "Denied from",
  "Expires",
  "Limits",
  "Last used",
  "Added",
  "Added by",
  "Changed",
  "Changed by",
];

function rowOf(mapping: MappingView): string[] {
  const { endpoint, site, target, name, owner, note, access, allow, deny, expires, lastUsed, created, changed } =
    mapping;
  const { maxStreams, newPerSecond, bytesPerSecond } = mapping;
  const limits = [
    maxStreams === null ? "" : `${maxStreams} at once`,
    newPerSecond === null ? "" : `${newPerSecond} new/s`,
    bytesPerSecond === null ? "" : `${bytesPerSecond} bytes/s`,
  ].filter((text) => text !== "");
  return [
    endpoint,
    site,
    target,
    name,
    owner,
    note,
    access,
    allow.join(" "),
    deny.join(" "),
    expires ?? "",
    limits.join(", "),
    lastUsed ?? "",
    created.at,
    created.by,
    changed.at,
    changed.by,
  ];
}

/** RFC 4180. What a spreadsheet would take for a formula is text (OWASP, CSV injection). */
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
