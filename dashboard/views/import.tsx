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

/** Brings the register to what a text says: the difference first, then all of it or nothing. */
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
      notify("The register is as you wanted it");
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
        Paste the register as TOML or JSON, as Download gives it. Nothing is changed before you have seen the
        difference.
      </p>
      <Field label="Rules">
        {(given) => (
          <textarea
            {...given}
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
              // Chosen again after it was mended, the same file is news only to an empty field.
              event.currentTarget.value = "";
              if (file !== undefined) void file.text().then((content) => change({ text: content }));
            }}
          />
        </label>
        <button type="button" onClick={() => change({ text: current() })}>
          Start from the register as it is
        </button>
      </p>
      <label class="check">
        <input type="checkbox" checked={keep} onChange={(event) => change({ keep: event.currentTarget.checked })} />
        Leave mappings alone that are not in the text. Otherwise they are removed, and what is open through them is cut.
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
