import { clean } from "../shared/text.ts";
import type { MappingView } from "../shared/rule/api.ts";
import { ruleOf } from "../shared/rule/register.ts";
import { ruleFrom } from "../shared/rule/register-text.ts";

/** Fields that have a line of their own in any case. */
const SHOWN: ReadonlySet<string> = new Set([
  "endpoint",
  "site",
  "target",
  "name",
  "owner",
  "note",
  "access",
  "allow",
  "deny",
  "expires",
]);

const TITLES: Readonly<Record<string, string>> = {
  maxStreams: "streams at once",
  newPerSecond: "new per second",
  bytesPerSecond: "bytes per second",
  proxyProtocol: "PROXY protocol",
  onLoss: "on loss",
  idleSeconds: "idle seconds",
  reflectorOk: "reflector ok",
};

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
    ...Object.entries(ruleOf(ruleFrom(mapping)))
      .filter(([field]) => !SHOWN.has(field))
      .map(([field, value]): [string, string] => [
        TITLES[field] ?? field,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ["added", `${created.at} by ${created.by}`],
    ["changed", changed.at === created.at ? "" : `${changed.at} by ${changed.by}`],
    ["revision", String(revision)],
  ];
  const shown = facts.filter(([, value]) => value !== "");
  const width = Math.max(...shown.map(([title]) => title.length));
  return shown.map(([title, value]) => `${title.padEnd(width)}  ${clean(value, 2048)}\n`).join("");
}
