import { clean } from "../shared/text.ts";

/** A column of a table: its heading, and how to get a row's text. Numbers are aligned right. */
export type Column<Row> = { title: string; value: (row: Row) => string; align?: "right" };

/** Formats rows under headings, in aligned columns without borders; leaves out a column that is empty in every row. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const filled = columns
    .map((column) => ({ ...column, cells: rows.map((row) => clean(column.value(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const widths = filled.map(({ title, cells }) => Math.max(displayWidth(title), ...cells.map(displayWidth)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => pad(cell, widths[index] ?? 0, filled[index]?.align))
      .join("  ")
      .trimEnd();
  return [
    line(filled.map(({ title }) => title)),
    ...rows.map((_, row) => line(filled.map(({ cells }) => cells[row] ?? ""))),
  ]
    .map((text) => `${text}\n`)
    .join("");
}

function pad(text: string, width: number, align: "right" | undefined): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "right" ? space + text : text + space;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff01-\uff60\p{Emoji_Presentation}]/u;

/** Counts the columns of a terminal that a text takes: East Asian characters take two. */
function displayWidth(text: string): number {
  return Array.from(graphemes.segment(text), ({ segment }) => (WIDE.test(segment) ? 2 : 1)).reduce<number>(
    (sum, width) => sum + width,
    0,
  );
}
