import type { ComponentChildren, JSX } from "preact";

export type Tone = "good" | "warn" | "bad" | "plain";

/** A state in a word; its colour repeats what the word says. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${tone}`}>{children}</span>;
}
