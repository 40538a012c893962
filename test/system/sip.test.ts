import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a hundred calls at ten a second, over UDP and over TCP: none fails, and nothing is said twice", async (context) => {
  await needs(context, "sip-tester");
  const target = loopback();
  await using folder = await tempDir();
  await using edge = await publicSite({ "5060/tcp+udp": `${target}:5060` });
  for (const transport of ["u1", "t1"]) {
    // sipp ends when its standard input does, so that stays open.
    const answering = ["-sn", "uas", "-i", target, "-p", "5060", "-t", transport, "-nostdin"];
    await using _callee = run("sipp", answering, { cwd: folder.path, interactive: true, env: { TERM: "dumb" } });
    const statistics = join(folder.path, `${transport}.csv`);
    const calling = ["-sn", "uac", `${edge.host}:5060`, "-i", loopback(), "-t", transport, "-nostdin"];
    const load = ["-r", "10", "-m", "100", "-d", "200", "-trace_stat", "-stf", statistics, "-fd", "1"];
    const { code } = await execute("sipp", [...calling, ...load], { cwd: folder.path, env: { TERM: "dumb" } });
    const [head = "", ...rows] = (await readFile(statistics, "utf8")).trim().split("\n");
    const values = rows.at(-1)?.split(";") ?? [];
    const counted = Object.fromEntries(head.split(";").map((name, index) => [name, values[index]]));
    expect({ transport, code, ...counted }).toMatchObject({
      transport,
      code: 0,
      "SuccessfulCall(C)": "100",
      "FailedCall(C)": "0",
      "Retransmissions(C)": "0",
    });
  }
});
