import { expect, test } from "vitest";
import { bothWays, expected } from "../support/both-ways.ts";
import { digest, noise } from "../support/bytes.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
import { rig } from "../support/rig.ts";
import { listeningAt, testSite } from "../support/site.ts";
import { connect } from "node:net";

const MIB = 1024 * 1024;

test("a download through cuts of the client's own connections arrives whole", async () => {
  await using site = await testSite();
  await using path = await link(site.edge.url);
  await using target = await tcpServer(loopback(), 0, (socket) => void noise(16 * MIB).pipe(socket));
  await site.map("lab/bulk", `${target.host}:${target.port}`);
  const token = await site.token("visitor", "--endpoint", "lab/*");
  const client = await site.connect(token, "lab/bulk", "--edge", path.url);
  const { host, port } = await listeningAt(client, "lab/bulk");
  const visitor = connect(port, host);
  let cuts = 0;
  visitor.on("data", () => {
    if (visitor.bytesRead < (cuts + 1) * 3 * MIB || cuts === 4) return;
    cuts += 1;
    if (cuts % 2 === 0) path.cut();
    else path.cutOne(cuts);
  });
  expect(await digest(visitor)).toEqual(await digest(noise(16 * MIB)));
  expect(cuts).toBe(4);
});

test("bytes up through a client arrive whole while the agent loses one lane after the other", async () => {
  await using all = await rig();
  let cuts = 0;
  await using peers = await bothWays(32 * MIB, 0, (bytes) => {
    if (bytes < (cuts + 1) * 2 * MIB || cuts === 12) return;
    // Which frames were on their way there, nobody may ever learn from what follows.
    all.inner.cutOne(cuts);
    cuts += 1;
  });
  const { host, port } = await all.client("bulk", peers.target);
  expect(await peers.visit(host, port)).toEqual(await expected(32 * MIB, 0));
  expect(cuts).toBe(12);
});

test("what is open through a client goes on after the edge is restarted", async () => {
  await using site = await testSite();
  await using echo = await tcpServer(loopback());
  await site.map("lab/echo", `${echo.host}:${echo.port}`);
  const client = await site.connect(await site.token("visitor", "--endpoint", "lab/*"), "lab/echo");
  const { host, port } = await listeningAt(client, "lab/echo");
  const visitor = connect(port, host).setEncoding("utf8");
  let heard = "";
  const answered = async (text: string): Promise<void> => {
    visitor.write(text);
    while (!heard.endsWith(text)) await new Promise((resolve) => visitor.once("data", resolve));
  };
  visitor.on("data", (text: string) => (heard += text));
  await answered("before ");
  await site.edge.stop();
  await site.edge.start();
  await answered("after");
  expect(heard).toBe("before after");
  visitor.destroy();
});
