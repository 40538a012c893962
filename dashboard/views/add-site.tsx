import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { parseName } from "../../shared/address/name.ts";
import { call } from "../api.ts";
import { refresh } from "../load.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { notify } from "../parts/toast.tsx";

/** A dialog that adds a site. */
export function AddSite({ onClose }: { onClose: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>();
  const [nameError, setNameError] = useState("");
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const parsed = parseName(name.trim(), "site");
    setNameError(parsed.ok ? "" : parsed.error.message);
    setError(undefined);
    if (!parsed.ok) return;
    try {
      await call("POST", "/sites", { name: parsed.value });
      notify(`Added ${parsed.value}. Next, connect an agent to it.`);
      void refresh("rules");
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  };
  return (
    <Dialog title="Add a site" onClose={onClose}>
      <form onSubmit={(event) => void add(event)} noValidate>
        <Field label="Name" hint="Your name for this LAN, such as warehouse-3" error={nameError}>
          {(props) => (
            <input {...props} value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
        <Fault error={error} />
        <p class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button class="primary">Add the site</button>
        </p>
      </form>
    </Dialog>
  );
}
