import { expect, test } from "vitest";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { testSite } from "../support/site.ts";

// Who listens x what is carried x which family: each cell is a visitor who gets its answer.

const families = [
  { family: "IPv4", address: () => loopback() },
  { family: "IPv6", address: () => "::1" },
] as const;

/** Free on ::1, which all tests share, if each file and family keeps to its own. */
const base = 20_000 + (process.pid % 1_000) * 20;

for (const program of ["gateway", "client"] as const) {
  for (const { family, address } of families) {
    test(`${program}: tcp, udp, and a range of both, over ${family}`, async () => {
      await using site = await testSite();
      const target = address();
      await using servers = new AsyncDisposableStack();
      const [tcp, udp] = [servers.use(await tcpServer(target)), servers.use(await udpServer(target))];
      const first = base + (program === "client" ? 10 : 0);
      const range = [first, first + 1, first + 2];
      for (const port of range) {
        servers.use(await tcpServer(target, port + 1_000, (socket) => void socket.end(`tcp ${port}`)));
        servers.use(
          await udpServer(target, port + 1_000, (socket) => {
            socket.on("message", (_, peer) => socket.send(`udp ${port}`, peer.port, peer.address));
          }),
        );
      }
      const at = (port: number): string => (family === "IPv6" ? `[${target}]:${port}` : `${target}:${port}`);
      const access = program === "client" ? ["--access", "token"] : [];
      const endpoints = [`${first + 5}/tcp`, `${first + 6}/udp`, `${first}-${first + 2}/tcp+udp`];
      const scope = endpoints.flatMap((endpoint) => ["--endpoint", endpoint]);
      const token = await site.token(program === "client" ? "visitor" : "gateway", ...scope);
      await site.map(endpoints[0] ?? "", at(tcp.port), ...access);
      await site.map(endpoints[1] ?? "", at(udp.port), ...access);
      await site.map(endpoints[2] ?? "", at(first + 1_000), ...access);

      const host = address();
      const bracketed = family === "IPv6" ? `[${host}]` : host;
      if (program === "client") {
        const words = endpoints.map((endpoint) => `${endpoint}=${bracketed}:${Number.parseInt(endpoint, 10)}`);
        await site.connect(token, ...words);
      } else {
        await site.gateway(token, "--bind", host);
      }

      expect(await ask(host, first + 5, "hello")).toBe("hello");
      await using visitor = new UdpVisitor({ host, port: first + 6 });
      expect((await visitor.ask("hello")).toString()).toBe("hello");
      for (const port of range) {
        expect(await ask(host, port, "")).toBe(`tcp ${port}`);
        await using each = new UdpVisitor({ host, port });
        expect((await each.ask("?")).toString()).toBe(`udp ${port}`);
      }
    });
  }
}

test("the Worker's own port: a range over IPv4", async () => {
  await using site = await testSite({ tcp: "8080-8082" });
  const target = loopback();
  await using servers = new AsyncDisposableStack();
  for (const port of [9080, 9082])
    servers.use(await tcpServer(target, port, (socket) => void socket.end(`tcp ${port}`)));
  await site.map("8080-8082/tcp", `${target}:9080`);
  expect(await ask(site.edge.host, 8080, "")).toBe("tcp 9080");
  expect(await ask(site.edge.host, 8082, "")).toBe("tcp 9082");
});
