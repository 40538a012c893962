import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Machine } from "./machine.ts";
import { svg } from "./plot.ts";
import { figuresText, tableText, type Report } from "./report.ts";

/** What a run was. */
export interface Run {
  readonly started: string;
  readonly seconds: number;
  /** What such a run may take, and whether it did with it; null when it was not the usual one. */
  readonly limitSeconds: number | null;
  readonly keptLimit: boolean | null;
  readonly quick: boolean;
  readonly rounds: number;
}

interface Results {
  readonly run: Run;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
}

/** Writes `out`.json and .md, and a file for each plot. */
export function writeResults(out: string, { run, machine, versions }: Results, report: Report): void {
  const { figures, tables, plots } = report;
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.json`, `${JSON.stringify({ run, machine, versions, figures, tables }, null, 2)}\n`);
  for (const [name, plot] of plots) writeFileSync(`${out}-${name}.svg`, svg(plot));
  const sections = [
    "# Benchmark results",
    list({ ...run, ...machine }),
    figuresText(figures),
    ...tables.map(tableText),
    ...[...plots].map(([name, { title }]) => `![${title}](${basename(out)}-${name}.svg)`),
    "### Versions",
    list(versions),
  ];
  writeFileSync(`${out}.md`, `${sections.join("\n\n")}\n`);
  console.log(`\n${figuresText(figures)}\n\nwritten: ${out}.json, ${out}.md`);
}

function list(facts: object): string {
  return Object.entries(facts)
    .map(([name, value]) => `- ${name}: ${String(value)}`)
    .join("\n");
}
