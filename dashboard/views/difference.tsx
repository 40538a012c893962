import type { JSX } from "preact";
import type { ApplyAnswer, RuleChange } from "../../shared/rule/api.ts";
import { withFormNames } from "../check.ts";
import { count } from "../format.ts";
import { Badge, type Tone } from "../parts/badge.tsx";

const KINDS: Readonly<Record<RuleChange["kind"], { tone: Tone; text: string }>> = {
  add: { tone: "good", text: "added" },
  change: { tone: "warn", text: "changed" },
  remove: { tone: "bad", text: "removed" },
};

/** Limit on changes shown. */
const MAX_SHOWN = 200;

/** The changes that importing a set of rules would make. */
export function Difference({ plan }: { plan: ApplyAnswer }): JSX.Element {
  const { changes, unchanged, warnings } = plan;
  return (
    <div class="difference" role="status">
      <h2>{changes.length === 0 ? "Nothing would change" : "This would change"}</h2>
      <ul>
        {changes.slice(0, MAX_SHOWN).map((change) => (
          <Change key={`${change.kind}${change.endpoint}`} change={change} />
        ))}
      </ul>
      {changes.length > MAX_SHOWN ? <p>and {changes.length - MAX_SHOWN} more.</p> : null}
      <p class="faint">{count(unchanged, "mapping")} unchanged.</p>
      {warnings.length === 0 ? null : (
        <div class="notes">
          {warnings.slice(0, 10).map((warning) => (
            <p key={warning}>{withFormNames(warning)}</p>
          ))}
        </div>
      )}
    </div>
  );
}

function Change({ change: { kind, endpoint, site, target, name, fields } }: { change: RuleChange }): JSX.Element {
  const { tone, text } = KINDS[kind];
  return (
    <li>
      <p>
        <Badge tone={tone}>{text}</Badge> <b>{endpoint}</b> → {site} <code>{target}</code> {name}
      </p>
      {fields.map(({ field, before, after }) => (
        <p key={field} class="small field-change">
          {field}: <del>{formatted(before)}</del> → <ins>{formatted(after)}</ins>
        </p>
      ))}
    </li>
  );
}

function formatted(value: unknown): string {
  return value === undefined ? "default" : typeof value === "string" ? value : JSON.stringify(value);
}
