import { expect, test } from "vitest";
import { exposition } from "../../shared/exposition.ts";
import { nearest } from "../../shared/nearest.ts";

test("metrics are written as Prometheus reads them", () => {
  const text = exposition([
    {
      name: "a_total",
      type: "counter",
      help: "Two\nlines.",
      samples: [
        [{ kind: "tcp" }, 1],
        [{ kind: 'q"\\\n' }, 2.5],
      ],
    },
    { name: "b", type: "gauge", help: "None.", samples: [] },
    {
      name: "c",
      type: "gauge",
      help: "Odd.",
      samples: [
        [{}, Infinity],
        [{}, NaN],
      ],
    },
  ]);
  expect(text).toBe(
    '# HELP a_total Two\\nlines.\n# TYPE a_total counter\na_total{kind="tcp"} 1\na_total{kind="q\\"\\\\\\n"} 2.5\n# HELP c Odd.\n# TYPE c gauge\nc +Inf\nc NaN\n',
  );
});

test("the word that was meant is the nearest, if any is near", () => {
  expect(nearest("statsu", ["status", "ready"])).toBe("status");
  expect(nearest("REDY", ["status", "ready"])).toBe("ready");
  expect(nearest("install", ["status", "ready"])).toBeUndefined();
});
