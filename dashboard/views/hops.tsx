import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { TestAnswer } from "../../shared/rule/api.ts";
import type { Hop, HopName } from "../../shared/rule/hop.ts";
import { call } from "../api.ts";
import { Copyable } from "../parts/copyable.tsx";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";

const NAMES: Readonly<Record<HopName, string>> = {
  here: "This machine",
  public: "Public side",
  policy: "Rules",
  edge: "Edge",
  agent: "Agent",
  target: "Target",
  protocol: "Service",
};

const OUTCOMES: Readonly<Record<Hop["outcome"], { icon: IconName; word: string }>> = {
  ok: { icon: "ok", word: "works" },
  warning: { icon: "warning", word: "warning" },
  failed: { icon: "failed", word: "failed" },
  "not-tested": { icon: "skipped", word: "not tested" },
};

/** Tests a mapping now, and shows the result of each hop from the public side to the target. */
export function Hops({ endpoint }: { endpoint: string }): JSX.Element {
  const [from, setFrom] = useState("");
  const [answer, setAnswer] = useState<TestAnswer>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const test = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const source = from.trim() === "" ? "" : `&from=${encodeURIComponent(from.trim())}`;
      setAnswer(await call<TestAnswer>("GET", `/test?endpoint=${encodeURIComponent(endpoint)}${source}`));
    } catch (refusal) {
      setAnswer(undefined);
      setError(refusal);
    }
    setBusy(false);
  };
  return (
    <section class="panel" aria-labelledby="test">
      <div class="heading">
        <h2 id="test">Test it</h2>
        <form class="test-form" onSubmit={(event) => void test(event)}>
          <Field label="Visitor's address">
            {(control) => (
              <input
                {...control}
                placeholder="yours"
                autocomplete="off"
                value={from}
                onInput={(event) => setFrom(event.currentTarget.value)}
              />
            )}
          </Field>
          <button class="primary" disabled={busy}>
            {busy ? "Testing…" : answer === undefined ? "Test now" : "Test again"}
          </button>
        </form>
      </div>
      <Fault error={error} />
      <div aria-live="polite">{answer === undefined ? null : <Result answer={answer} />}</div>
      {answer === undefined ? (
        <p class="hint">An agent connects to the target as it would for a visitor, and reports what happened.</p>
      ) : (
        <div class="hint">
          This test starts at the edge. To test the way to the edge too, run this on a machine outside:{" "}
          <Copyable text={`sallyport test ${endpoint}`} label="Command that tests from outside" />
        </div>
      )}
    </section>
  );
}

function Result({ answer }: { answer: TestAnswer }): JSX.Element {
  const bad = answer.hops.find(({ outcome }) => outcome === "failed");
  const verdict = bad === undefined ? "No step failed." : `Failed at: ${NAMES[bad.hop]}.`;
  return (
    <>
      <p class={bad === undefined ? "verdict good" : "verdict bad"}>{verdict}</p>
      <ol class="hops">
        {answer.hops.map((hop, index) => (
          <Step key={`${hop.hop}${index}`} hop={hop} />
        ))}
      </ol>
    </>
  );
}

function Step({ hop: { hop, outcome, text, fix, ms } }: { hop: Hop }): JSX.Element {
  const { icon, word } = OUTCOMES[outcome];
  return (
    <li class={outcome}>
      <span class="mark">
        <Icon name={icon} />
      </span>
      <div>
        <b>{NAMES[hop]}</b> <span class="small faint">{word}</span>
        {ms === null ? null : <span class="small faint">, {ms < 1 ? "under 1" : Math.round(ms)} ms</span>}
        <p>{text}</p>
        {fix === "" ? null : <p class="small fix">→ {fix}</p>}
      </div>
    </li>
  );
}
