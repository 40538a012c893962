import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { loopback } from "../support/net.ts";
import { placeCalls } from "../support/sipp.ts";

// A thousand calls each way of signalling are in test/soak.
test("a hundred calls at ten a second, over UDP and over TCP: none fails, and nothing is said twice", async (context) => {
  await needs(context, "sip-tester");
  const target = loopback();
  await using edge = await publicSite({ "5060/tcp+udp": `${target}:5060` });
  for (const transport of ["u1", "t1"] as const) {
    const calls = await placeCalls({ host: edge.host, port: 5060 }, { host: target, port: 5060 }, transport, 100);
    expect({ transport, ...calls }).toEqual({ transport, code: 0, successful: 100, failed: 0, retransmitted: 0 });
  }
});
