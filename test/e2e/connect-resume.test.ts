import { expect, test } from "vitest";
import { digest, noise } from "../support/bytes.ts";
import { link } from "../support/link.ts";
import { loopback } from "../support/net.ts";
import { tcpServer } from "../support/peers.ts";
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
