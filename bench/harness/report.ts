import type { Plot } from "./plot.ts";
import { short } from "./stats.ts";

/** One promised figure: what was reached, beside what is wanted. */
export interface Figure {
  readonly name: string;
  /** null: could not be measured here; `note` says why. */
  readonly value: number | null;
  readonly unit: string;
  /** As a person reads it: ">= 2". */
  readonly goal: string;
  /** null when there is nothing to compare with. */
  readonly met: boolean | null;
  readonly note?: string;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What a run has found, so far. */
export class Report {
  readonly figures: Figure[] = [];
  readonly tables: Table[] = [];
  /** By the name of their file. */
  readonly plots = new Map<string, Plot>();

  table(title: string, columns: readonly string[], rows: Table["rows"]): void {
    this.tables.push({ title, columns, rows });
    console.log(`\n${tableText({ title, columns, rows })}`);
  }

  plot(name: string, plot: Plot): void {
    this.plots.set(name, plot);
  }

  atLeast(name: string, value: number, goal: number, unit: string, note?: string): void {
    this.#figure(name, value, `>= ${goal}`, value >= goal, unit, note);
  }

  atMost(name: string, value: number, goal: number, unit: string, note?: string): void {
    this.#figure(name, value, `<= ${goal}`, value <= goal, unit, note);
  }

  absent(name: string, goal: string, unit: string, note: string): void {
    this.figures.push({ name, value: null, unit, goal, met: null, note });
    console.log(`  absent: ${name}: ${note}`);
  }

  #figure(name: string, value: number, goal: string, met: boolean, unit: string, note?: string): void {
    if (!Number.isFinite(value)) return this.absent(name, goal, unit, note ?? "could not be measured in this run");
    this.figures.push({
      name,
      value: Number(value.toPrecision(4)),
      unit,
      goal,
      met,
      ...(note === undefined ? {} : { note }),
    });
    console.log(`  ${met ? "met   " : "missed"} ${name}: ${short(value)} ${unit} (goal ${goal})`);
  }
}

export function tableText({ title, columns, rows }: Table): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => (typeof cell === "number" ? short(cell) : cell)).join(" | ")} |`;
  return [`### ${title}`, "", line(columns), `|${" --- |".repeat(columns.length)}`, ...rows.map(line)].join("\n");
}

export function figuresText(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, goal, met, note = "" }) => {
    const reached = met === null ? "absent" : met ? "yes" : "no";
    return [name, value === null ? "-" : `${short(value)} ${unit}`, goal, reached, note];
  });
  return tableText({ title: "Figures", columns: ["what", "value", "goal", "reached", "note"], rows });
}
