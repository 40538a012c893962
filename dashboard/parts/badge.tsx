import type { ComponentChildren, JSX } from "preact";

export type Tone = "good" | "warn" | "bad" | "plain";

/** A state as a word. The colour only repeats the word. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${tone}`}>{children}</span>;
}
