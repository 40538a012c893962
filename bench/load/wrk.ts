import { execute } from "../../test/support/run.ts";
import type { Reading } from "../harness/rounds.ts";

/** Requests for `/page` in a closed loop: a second, in all, percentiles in milliseconds, and wrk's own CPU seconds. Throws on any error. */
export async function wrk(at: string, host: string, connections: number, seconds: number): Promise<Reading> {
  const fixed = ["-t1", `-c${connections}`, `-d${Math.ceil(seconds)}s`, "--latency"];
  const words = ["timeout", String(seconds + 15), "wrk", ...fixed, "-H", `Host: ${host}`, `http://${at}/page`];
  const { code, stdout, stderr } = await execute("sh", ["-c", '"$@"; code=$?; times; exit $code', "sh", ...words]);
  const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN);
  if (code !== 0 || !(rps > 0)) throw new Error(`wrk at ${at}: ${stderr || stdout}`);
  const errors =
    Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0) + Number(/read (\d+)/.exec(stdout)?.[1] ?? 0);
  if (errors > 0) throw new Error(`${errors} errors of wrk at ${at}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? Number.NaN);
  return {
    rps,
    requests,
    p50: milliseconds(stdout, "50%"),
    p99: milliseconds(stdout, "99%"),
    cpu: childSeconds(stdout),
  };
}

/** The last line of `times`: of the shell's children, user and system. */
function childSeconds(text: string): number {
  const last = text.trim().split("\n").at(-1) ?? "";
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, min, s]) => sum + Number(min) * 60 + Number(s), 0);
}

function milliseconds(text: string, rank: string): number {
  const [, number = "NaN", unit = "ms"] = new RegExp(`${rank}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(number) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}
