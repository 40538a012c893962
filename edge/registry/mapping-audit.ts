import type { Mapping } from "../../shared/rule/mapping.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import { differences } from "../../shared/rule/register.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Characters of a change that are logged, so that a CA bundle is cut short. */
const MAX_DETAIL = 500;

/** Writes an audit entry for a mapping. For an edit (`before` is given) it lists each changed field with its old and new value. */
export function auditMapping(
  store: Store,
  actor: Actor,
  action: string,
  mapping: Mapping,
  before?: MappingDraft,
): void {
  const { id, endpoint, site, target } = mapping;
  const changes = before === undefined ? [] : differences(before, mapping);
  // An agent that publishes a mapping extends its expiry every few minutes, which is not worth an entry.
  if (actor.name.startsWith("agent:") && changes.length > 0 && changes.every(({ field }) => field === "expires"))
    return;
  const what = changes
    .map(({ field, before: was, after: is }) => `${field}: ${formatValue(was)} -> ${formatValue(is)}`)
    .join("; ");
  const detail = `mapping ${id}: ${before === undefined ? `${site} ${target}` : what}`.slice(0, MAX_DETAIL);
  store.journal.audit(actor, action, endpoint, detail);
}

function formatValue(value: unknown): string {
  return value === undefined ? "default" : typeof value === "string" ? value : JSON.stringify(value);
}
