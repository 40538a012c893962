import { clean } from "../shared/text.ts";
import type { MappingView } from "../shared/api.ts";

/** Everything about a mapping, a line for each fact; what is as it always is is left out. */
export function describeMapping(mapping: MappingView): string {
  const { id, endpoint, site, target, name, owner, note, access, allow, deny, expires, created, changed, revision } =
    mapping;
  const facts: [string, string][] = [
    ["mapping", String(id)],
    ["endpoint", endpoint],
    ["site", site],
    ["target", target],
    ["name", name],
    ["owner", owner],
    ["note", note],
    ["access", access],
    ["allowed from", allow.join(", ")],
    ["denied from", deny.join(", ")],
    ["expires", expires ?? ""],
    ["streams at once", mapping.maxStreams === null ? "" : String(mapping.maxStreams)],
    ["on loss", mapping.onLoss === "close" ? "" : mapping.onLoss],
    ["added", `${created.at} by ${created.by}`],
    ["changed", changed.at === created.at ? "" : `${changed.at} by ${changed.by}`],
    ["revision", String(revision)],
  ];
  const shown = facts.filter(([, value]) => value !== "");
  const width = Math.max(...shown.map(([title]) => title.length));
  return shown.map(([title, value]) => `${title.padEnd(width)}  ${clean(value, 2048)}\n`).join("");
}
