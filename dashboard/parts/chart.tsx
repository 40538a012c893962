import type { JSX } from "preact";
import { rate } from "../format.ts";

type Sample = { readonly bytesIn: number; readonly bytesOut: number };

const WIDTH = 600;
const HEIGHT = 90;
const SAMPLES = 60;

/** A chart of the last two minutes: bytes to visitors as an area, bytes from them as a line. The numbers are shown beside it. */
export function Chart({ samples }: { samples: readonly Sample[] }): JSX.Element {
  const most = Math.max(1, ...samples.flatMap(({ bytesIn, bytesOut }) => [bytesIn, bytesOut]));
  const first = SAMPLES - samples.length;
  const x = (index: number): string => (((first + index) / (SAMPLES - 1)) * WIDTH).toFixed(1);
  const y = (value: number): string => (HEIGHT - (value / most) * (HEIGHT - 4)).toFixed(1);
  const line = (of: (sample: Sample) => number): string =>
    samples.map((sample, index) => `${index === 0 ? "M" : "L"}${x(index)} ${y(of(sample))}`).join("");
  const outward = line(({ bytesOut }) => bytesOut);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {samples.length < 2 ? null : (
          <>
            <path class="out" d={`${outward}L${WIDTH} ${HEIGHT}L${x(0)} ${HEIGHT}z`} />
            <path class="in-line" d={line(({ bytesIn }) => bytesIn)} />
          </>
        )}
      </svg>
      <figcaption class="small faint">
        {samples.length < 2
          ? "Traffic is drawn here while visitors are connected."
          : `Last two minutes, peak ${rate(most)}. Area: to visitors. Line: from visitors.`}
      </figcaption>
    </figure>
  );
}
