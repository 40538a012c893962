import { short } from "./stats.ts";

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Points in order of x; both axes are logarithmic, so all values are above 0. */
  readonly lines: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>>;
}

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 70;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 50;
const COLOURS = ["#0b6e4f", "#c84630", "#2f4b7c", "#e0a458"];

/** A plot as an SVG document that needs nothing else. */
export function svg({ title, x, y, lines }: Plot): string {
  const points = Object.values(lines).flat();
  const across = scale(
    points.map(([at]) => at),
    LEFT,
    WIDTH - RIGHT,
  );
  const up = scale(
    points.map(([, at]) => at),
    HEIGHT - BOTTOM,
    TOP,
  );
  const text = (at: number, from: number, words: string, more = ""): string =>
    `<text x="${at}" y="${from}" ${more}>${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
  const drawn = Object.entries(lines).flatMap(([name, all], index) => {
    const colour = COLOURS[index % COLOURS.length] ?? "";
    const path = all.map(([a, b]) => `${across.at(a).toFixed(1)},${up.at(b).toFixed(1)}`).join(" ");
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${path}"/>`,
      ...all.map(
        ([a, b]) => `<circle cx="${across.at(a).toFixed(1)}" cy="${up.at(b).toFixed(1)}" r="3" fill="${colour}"/>`,
      ),
      text(WIDTH - RIGHT, TOP + 14 * index, name, `text-anchor="end" fill="${colour}"`),
    ];
  });
  const ticks = [
    ...across.ticks.map((tick) => text(across.at(tick), HEIGHT - BOTTOM + 16, short(tick), 'text-anchor="middle"')),
    ...up.ticks.map((tick) => text(LEFT - 6, up.at(tick) + 4, short(tick), 'text-anchor="end"')),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${text(LEFT, 22, title, 'font-size="14"')}
<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="#888"/>
${[...ticks, text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x, 'text-anchor="middle"'), text(12, TOP - 8, y), ...drawn].join("\n")}
</svg>
`;
}

/** A logarithmic scale over whole powers of ten. */
function scale(
  values: readonly number[],
  from: number,
  to: number,
): { at: (value: number) => number; ticks: number[] } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  };
}
