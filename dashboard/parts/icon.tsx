import type { JSX } from "preact";

const PATHS = {
  ok: "M4 10.5l4 4 8-9",
  warning: "M10 4v8m0 3.2v.3",
  failed: "M5 5l10 10M15 5L5 15",
  skipped: "M5 10h10",
  plus: "M10 4v12M4 10h12",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  right: "M8 5l5 5-5 5",
  search: "M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4zm4 9l4 4",
  download: "M10 3v10m-4-4l4 4 4-4M4 17h12",
  upload: "M10 14V4M6 8l4-4 4 4M4 17h12",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.4 4.4l1.1 1.1M14.5 14.5l1.1 1.1M15.6 4.4l-1.1 1.1M5.5 14.5l-1.1 1.1",
  moon: "M16 12.2A6.7 6.7 0 0 1 7.8 4a6.7 6.7 0 1 0 8.2 8.2z",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  exit: "M8 4H4v12h4M12 6l4 4-4 4M16 10H8",
} as const;

export type IconName = keyof typeof PATHS;

/** A small decorative drawing. The text beside it, or its button's label, carries the meaning. */
export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
