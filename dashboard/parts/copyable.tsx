import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { notify } from "./toast.tsx";
import { Icon } from "./icon.tsx";

/** A text that is meant for somewhere else, with a button that takes it along. `label` says what it is. */
export function Copyable({
  text,
  label,
  secret = false,
}: {
  text: string;
  label: string;
  secret?: boolean;
}): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      notify(`${label}: copied`);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      notify("The browser does not allow copying here: select the text instead.");
    }
  };
  return (
    <div class={secret ? "copyable secret" : "copyable"}>
      {/* Long lines scroll, and a keyboard has to reach them to do so. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label={label} role="group">
        <code>{text}</code>
      </pre>
      <button type="button" class="quiet" aria-label={`Copy: ${label}`} onClick={() => void copy()}>
        <Icon name={copied ? "ok" : "copy"} />
      </button>
    </div>
  );
}
