import type { JSX } from "preact";

type Props = {
  /** Numbers before which the pages turned so far begin; the last is this page's. */
  before: readonly number[];
  /** The next page's; null when there is none. */
  next: number | null;
  onBefore: (before: readonly number[]) => void;
};

/** Turns the pages of what only grows at its newer end; nothing where there is one only. */
export function OlderNewer({ before, next, onBefore }: Props): JSX.Element | null {
  if (before.length === 0 && next === null) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" disabled={before.length === 0} onClick={() => onBefore(before.slice(0, -1))}>
        Newer
      </button>
      <button type="button" disabled={next === null} onClick={() => onBefore([...before, next ?? 0])}>
        Older
      </button>
    </nav>
  );
}
