import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { notify } from "./toast.tsx";
import { Icon } from "./icon.tsx";

/** A text with a button that copies it. `label` names the text for screen readers. */
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
      notify(`Copied: ${label}`);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      notify("The browser does not allow copying here. Select the text and copy it yourself.");
    }
  };
  return (
    <div class={secret ? "copyable secret" : "copyable"}>
      {/* Long lines scroll, and keyboard users can only scroll what has the focus. */}
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
