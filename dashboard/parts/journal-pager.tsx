import type { JSX } from "preact";

type Props = {
  /** The `before` parameters of the pages from the newest to this one; empty on the newest page. */
  before: readonly number[];
  /** The `before` parameter of the next older page; null when there is none. */
  next: number | null;
  onPage: (before: readonly number[]) => void;
};

/** Buttons to page through a journal; nothing when there is only one page. */
export function JournalPager({ before, next, onPage }: Props): JSX.Element | null {
  if (before.length === 0 && next === null) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" disabled={before.length === 0} onClick={() => onPage(before.slice(0, -1))}>
        Newer
      </button>
      <button type="button" disabled={next === null} onClick={() => onPage([...before, next ?? 0])}>
        Older
      </button>
    </nav>
  );
}
