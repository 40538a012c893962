import { Command } from "commander";
import { EXIT, Problem, type ExitCode } from "../../link/problem.ts";
import type { MappingView, TestAnswer } from "../../shared/rule/api.ts";
import type { Hop } from "../../shared/rule/hop.ts";
import { clean } from "../../shared/text.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { allPages, type Edge } from "../edge.ts";
import { printResult } from "../output.ts";
import { vantagePointOf, type VantagePoint } from "../visit/vantage-point.ts";
import { dialPublic } from "../visit/dial-public.ts";

type TestOptions = EdgeOptions & { json?: boolean; all?: boolean; from?: string; at?: string };

/** The result of the test of one endpoint. */
type TestResult = Omit<TestAnswer, "access"> & { passed: boolean; exit: ExitCode };

/** How many endpoints are tested at once. */
const AT_ONCE = 8;

/** `sallyport test [E | --all]` */
export function testCommand(context: Context): Command {
  return readCommand("test", "Test a visitor's path to the target, hop by hop, and show where it breaks.")
    .argument("[endpoint]")
    .option("--all", "test every mapping")
    .option("--from <address>", "apply the rules to this visitor's address")
    .option("--at <host>", "the host with the public port, if not the edge: a gateway's machine")
    .addHelpText("after", "\nExit codes: 0 no hop failed, 7 denied by policy, 6 no agent, 1 anything else")
    .action(async (endpoint: string | undefined, options: TestOptions) => {
      if ((endpoint === undefined) === (options.all !== true)) {
        throw Problem.usage("endpoint-missing", "give one endpoint, or --all", "sallyport test 8080/tcp");
      }
      const edge = edgeOf(context, options);
      const host = options.at ?? new URL(edge.url).hostname.replace(/^\[|\]$/g, "");
      const vantage = await vantagePointOf(host, edge.url, edge.proxy);
      const endpoints =
        endpoint === undefined
          ? (await allPages<MappingView>(edge, "/mappings", "mappings")).map((mapping) => mapping.endpoint)
          : [endpoint];
      const results = await inBatches(endpoints, (each) => testOne(edge, vantage, each, options.from));
      printResult(context.output, options.json === true, endpoint === undefined ? results : results[0], () =>
        results.map(resultText).join("\n"),
      );
      const exits = new Set(results.map(({ exit }) => exit).filter((exit) => exit !== EXIT.done));
      const [only] = exits;
      process.exitCode = exits.size > 1 ? EXIT.failed : (only ?? EXIT.done);
    });
}

async function testOne(
  edge: Edge,
  vantage: VantagePoint,
  endpoint: string,
  from: string | undefined,
): Promise<TestResult> {
  const query = new URLSearchParams({ endpoint, ...(from === undefined ? {} : { from }) });
  const { access, ...answer } = await edge.call<TestAnswer>("GET", `/test?${query.toString()}`);
  const hops = [vantage.hop, await dialPublic({ access, ...answer }, vantage), ...answer.hops];
  const exit = exitOf(hops);
  return { ...answer, hops, passed: exit === EXIT.done, exit };
}

/** Derives the exit code from the failed hops. A denial by policy takes precedence: no other fix helps then. */
function exitOf(hops: readonly Hop[]): ExitCode {
  const broken = hops.filter(({ outcome }) => outcome === "failed");
  if (broken.length === 0) return EXIT.done;
  if (broken.some(({ hop }) => hop === "policy")) return EXIT.denied;
  return broken.some(({ hop }) => hop === "agent") ? EXIT.notReady : EXIT.failed;
}

const SIGNS = { ok: "ok", warning: "warn", failed: "FAILED", "not-tested": "-" } as const;

function resultText({ endpoint, site, target, hops }: TestResult): string {
  const lines = hops.flatMap(({ hop, outcome, text, fix, ms, code }) => {
    const time = ms === null ? "" : ` (${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms)`;
    const note = outcome === "not-tested" ? "not tested: " : outcome === "failed" ? `[${code}] ` : "";
    const line = `  ${SIGNS[outcome].padEnd(6)}  ${hop.padEnd(8)}  ${note}${clean(text, 500)}${time}`;
    return fix === "" ? [line] : [line, `                    fix: ${clean(fix, 500)}`];
  });
  return `${[`${endpoint} -> ${site} ${target}`, ...lines].join("\n")}\n`;
}

async function inBatches<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  return results;
}
