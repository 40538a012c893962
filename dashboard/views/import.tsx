import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApplyAnswer } from "../../shared/rule/api.ts";
import { registerText } from "../../shared/rule/register-text.ts";
import { call, ApiError } from "../api.ts";
import { count } from "../format.ts";
import { messageOf, refresh } from "../load.ts";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { notify } from "../parts/toast.tsx";
import { go } from "../route.ts";
import { parseRules } from "../rules-text.ts";
import { store } from "../state.ts";
import { Difference } from "./difference.tsx";

const EXAMPLE = `[[mapping]]
endpoint = "8090/tcp"
site = "warehouse-3"
target = "192.168.2.102:8090"
name = "shop"`;

/** The view that imports mappings from a text: shows the difference first, then applies all of it or nothing. */
export function Import(): JSX.Element {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(true);
  const [error, setError] = useState<unknown>();
  const [plan, setPlan] = useState<ApplyAnswer>();
  const change = (next: { text?: string; keep?: boolean }): void => {
    if (next.text !== undefined) setText(next.text);
    if (next.keep !== undefined) setKeep(next.keep);
    setPlan(undefined);
    setError(undefined);
  };
  const put = async (dryRun: boolean): Promise<void> => {
    const read = parseRules(text);
    if (!read.ok) return setError(new Error(read.message));
    try {
      const body = { mappings: read.rules, keep, dryRun };
      const answer = await call<ApplyAnswer>("PUT", "/mappings", body, dryRun ? undefined : plan?.tag);
      setError(undefined);
      if (dryRun) return setPlan(answer);
      notify("Mappings imported");
      await refresh("rules", 0);
      go({ view: "overview" });
    } catch (refusal) {
      const place =
        refusal instanceof ApiError && refusal.entry !== undefined ? read.placeOf(refusal.entry, refusal.field) : "";
      setPlan(undefined);
      setError(place === "" ? refusal : new Error(`In ${place}: ${messageOf(refusal)}`));
    }
  };
  return (
    <section class="panel import" aria-labelledby="import">
      <h1 id="import">Import mappings</h1>
      <p class="hint">
        Paste mappings as TOML or JSON, in the form that Download writes. You see the difference before anything
        changes.
      </p>
      <Field label="Rules">
        {(control) => (
          <textarea
            {...control}
            class="code"
            rows={14}
            spellcheck={false}
            placeholder={EXAMPLE}
            value={text}
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
        )}
      </Field>
      <p class="actions">
        <label class="button">
          <span>Choose a file…</span>
          <input
            class="hidden"
            type="file"
            accept=".toml,.json,text/plain"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              // If the same file is chosen again after an edit, the browser reports it only if the field is empty.
              event.currentTarget.value = "";
              if (file !== undefined) void file.text().then((content) => change({ text: content }));
            }}
          />
        </label>
        <button type="button" onClick={() => change({ text: current() })}>
          Start from the current mappings
        </button>
      </p>
      <label class="check">
        <input type="checkbox" checked={keep} onChange={(event) => change({ keep: event.currentTarget.checked })} />
        Keep mappings that are not in the text. Otherwise they are removed and their connections are cut.
      </label>
      <Fault error={error} />
      {plan === undefined ? null : <Difference plan={plan} />}
      <p class="buttons">
        {plan === undefined || plan.changes.length === 0 ? (
          <button type="button" class="primary" disabled={text.trim() === ""} onClick={() => void put(true)}>
            Show the difference
          </button>
        ) : (
          <button type="button" class="primary" onClick={() => void put(false)}>
            Make {count(plan.changes.length, "change")}
          </button>
        )}
      </p>
    </section>
  );
}

function current(): string {
  return registerText(store.state.mappings ?? [], "toml", store.state.session?.url ?? location.origin);
}
