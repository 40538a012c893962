// The text format of Prometheus, version 0.0.4.

/** A metric with its samples: labels and value of each. */
export type Metric = {
  name: string;
  type: "counter" | "gauge";
  help: string;
  samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
};

/** Formats metrics as the answer to a scrape. Metrics without samples are left out. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(block)
    .join("");
}

function block({ name, type, help, samples }: Metric): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${valueText(value)}\n`);
  return `# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\\n"]/g, escaped)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
