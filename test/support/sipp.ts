/** SIPp as caller and callee, with a site in between. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "./net.ts";
import { execute, run } from "./run.ts";
import { tempDir } from "./temp-dir.ts";

export type Calls = { code: number | null; successful: number; failed: number; retransmitted: number };

/** Places so many calls, ten a second, from `at` to a callee at `target`. `transport`: u1 for UDP, t1 for TCP. */
export async function placeCalls(
  at: { host: string; port: number },
  target: { host: string; port: number },
  transport: "u1" | "t1",
  calls: number,
): Promise<Calls> {
  await using folder = await tempDir();
  const options = { cwd: folder.path, env: { TERM: "dumb" } };
  const answering = ["-sn", "uas", "-i", target.host, "-p", String(target.port), "-t", transport, "-nostdin"];
  // It ends when its standard input does, so that stays open.
  await using _callee = run("sipp", answering, { ...options, interactive: true });
  const statistics = join(folder.path, "statistics.csv");
  const calling = ["-sn", "uac", `${at.host}:${at.port}`, "-i", loopback(), "-t", transport, "-nostdin"];
  const load = ["-r", "10", "-m", String(calls), "-d", "200", "-trace_stat", "-stf", statistics, "-fd", "1"];
  const { code } = await execute("sipp", [...calling, ...load], options);
  const [head = "", ...rows] = (await readFile(statistics, "utf8")).trim().split("\n");
  const values = rows.at(-1)?.split(";") ?? [];
  const counted = new Map(head.split(";").map((name, index) => [name, Number(values[index])]));
  const valueOf = (name: string): number => counted.get(name) ?? Number.NaN;
  return {
    code,
    successful: valueOf("SuccessfulCall(C)"),
    failed: valueOf("FailedCall(C)"),
    retransmitted: valueOf("Retransmissions(C)"),
  };
}
