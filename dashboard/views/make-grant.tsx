import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { MadeGrantView } from "../../shared/rule/api.ts";
import { call } from "../api.ts";
import { moment } from "../format.ts";
import { refresh } from "../load.ts";
import { Copyable } from "../parts/copyable.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { Qr } from "../parts/qr.tsx";
import { useStore } from "../state.ts";

const LIVES: readonly [seconds: number, text: string][] = [
  [900, "15 minutes"],
  [7200, "2 hours"],
  [86_400, "a day"],
  [7 * 86_400, "a week"],
  [30 * 86_400, "30 days"],
];

/** A dialog that makes a grant, then shows its one-time link. */
export function MakeGrant({ endpoints, onClose }: { endpoints: readonly string[]; onClose: () => void }): JSX.Element {
  const [made, setMade] = useState<MadeGrantView>();
  return (
    <Dialog title={made === undefined ? "Grant access for a limited time" : "Send this link"} onClose={onClose}>
      {made === undefined ? (
        <GrantForm start={endpoints} onMade={setMade} onClose={onClose} />
      ) : (
        <Made grant={made} onClose={onClose} />
      )}
    </Dialog>
  );
}

type FormProps = { start: readonly string[]; onMade: (grant: MadeGrantView) => void; onClose: () => void };

function GrantForm({ start, onMade, onClose }: FormProps): JSX.Element {
  const mappings = useStore((state) => state.mappings) ?? [];
  const [chosen, setChosen] = useState<readonly string[]>(start);
  const [life, setLife] = useState(7200);
  const [to, setTo] = useState("");
  const [error, setError] = useState<unknown>();
  const offered = mappings.map(({ endpoint }) => endpoint).filter((endpoint) => /^\d|^https?:/.test(endpoint));
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (chosen.length === 0) return setError(new Error("Choose at least one endpoint."));
    try {
      const body = { endpoints: chosen, life, ...(to.trim() === "" ? {} : { to: to.trim() }) };
      onMade(await call<MadeGrantView>("POST", "/grants", body));
      void refresh("rules");
    } catch (refusal) {
      setError(refusal);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Field label="Endpoints" hint="Hold Ctrl or ⌘ to choose several.">
        {(control) => (
          <select
            {...control}
            multiple
            size={Math.min(6, Math.max(2, offered.length))}
            onChange={(event) => setChosen([...event.currentTarget.selectedOptions].map(({ value }) => value))}
          >
            {offered.map((endpoint) => (
              <option key={endpoint} value={endpoint} selected={chosen.includes(endpoint)}>
                {endpoint}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="For">
        {(control) => (
          <select {...control} value={life} onChange={(event) => setLife(Number(event.currentTarget.value))}>
            {LIVES.map(([seconds, text]) => (
              <option key={seconds} value={seconds}>
                {text}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Who it is for" hint="Shown in the list of grants and in the audit.">
        {(control) => (
          <input
            {...control}
            maxLength={100}
            autocomplete="off"
            value={to}
            onInput={(event) => setTo(event.currentTarget.value)}
          />
        )}
      </Field>
      <Fault error={error} />
      <p class="buttons">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button class="primary">Make the link</button>
      </p>
    </form>
  );
}

function Made({ grant, onClose }: { grant: MadeGrantView; onClose: () => void }): JSX.Element {
  return (
    <div class="issued">
      <p>
        The first person to open it gets access to {grant.endpoints.join(", ")} from their network's address until{" "}
        {moment(grant.until)}. Copy it now: it is not shown again.
      </p>
      <Copyable text={grant.link} label="Link of the grant" secret />
      <Qr text={grant.link} label="The link as a QR code" />
      <p class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </p>
    </div>
  );
}
