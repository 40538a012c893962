import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const SHOWN_MS = 5_000;

let show: (text: string) => void = () => undefined;

/** Shows a message for a few seconds; screen readers read it out. */
export function notify(text: string): void {
  show(text);
}

/** The place where messages of `notify` appear. */
export function Toasts(): JSX.Element {
  const [text, setText] = useState("");
  useEffect(() => {
    show = setText;
  }, []);
  useEffect(() => {
    if (text === "") return undefined;
    const timer = setTimeout(() => setText(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class={text === "" ? "toast" : "toast shown"} role="status" aria-live="polite">
      {text}
    </div>
  );
}
