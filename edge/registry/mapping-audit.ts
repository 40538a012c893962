import type { Mapping } from "../../shared/rule/mapping.ts";
import type { MappingDraft } from "../../shared/rule/mapping-input.ts";
import { differences } from "../../shared/rule/register.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Characters of a change that are written down: a CA bundle is not history. */
const MAX_DETAIL = 500;

/** Writes down what somebody did to a mapping; of an edit, which fields, from what to what. */
export function auditMapping(
  store: Store,
  actor: Actor,
  action: string,
  mapping: Mapping,
  before?: MappingDraft,
): void {
  const { id, endpoint, site, target } = mapping;
  const changes = before === undefined ? [] : differences(before, mapping);
  // An agent that goes on publishing says so every few minutes: that is no news.
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
