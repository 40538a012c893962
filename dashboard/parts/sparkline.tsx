import type { JSX } from "preact";
import { bytes } from "../format.ts";

const WIDTH = 120;
const HEIGHT = 24;

/** A mapping's last hour: a bar for each minute, and the total in words. */
export function Sparkline({ hour }: { hour: readonly number[] | undefined }): JSX.Element {
  const total = hour?.reduce((sum, count) => sum + count, 0) ?? 0;
  if (hour === undefined || total === 0) return <span class="faint">no traffic</span>;
  const most = Math.max(...hour);
  const step = WIDTH / hour.length;
  const bars = hour
    .map((count, minute) => ({ x: minute * step, height: count === 0 ? 0 : Math.max(1.5, (count / most) * HEIGHT) }))
    .filter(({ height }) => height > 0)
    .map(({ x, height }) => `M${x.toFixed(1)} ${HEIGHT}v-${height.toFixed(1)}h${(step * 0.8).toFixed(2)}V${HEIGHT}z`);
  return (
    <span class="sparkline">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path d={bars.join("")} />
      </svg>
      <span class="small">{bytes(total)}</span>
    </span>
  );
}
