import type { JSX } from "preact";

/** Turns pages, counted from 0; nothing where there is one only. */
export function Pager({
  page,
  last,
  onPage,
}: {
  page: number;
  last: number;
  onPage: (page: number) => void;
}): JSX.Element | null {
  if (last === 0) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Before
      </button>
      <span>
        page {page + 1} of {last + 1}
      </span>
      <button type="button" disabled={page === last} onClick={() => onPage(page + 1)}>
        After
      </button>
    </nav>
  );
}
