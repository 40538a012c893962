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
const base = 10_000 + (process.pid % 500) * 20;

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

for (const { family, address } of families) {
  test(`the Worker's own ports: tcp, and a range of it, over ${family}`, async () => {
    const target = address();
    const [first, single] = [base + (family === "IPv6" ? 2_000 : 3_000), base + 2_005];
    await using site = await testSite({ tcp: `${first}-${first + 2},${single}`, bind: address() });
    await using servers = new AsyncDisposableStack();
    for (const port of [first, first + 1, first + 2])
      servers.use(await tcpServer(target, port + 5_000, (socket) => void socket.end(`tcp ${port}`)));
    const echo = servers.use(await tcpServer(target));
    const at = (port: number): string => (family === "IPv6" ? `[${target}]:${port}` : `${target}:${port}`);
    await site.map(`${single}/tcp`, at(echo.port));
    await site.map(`${first}-${first + 2}/tcp`, at(first + 5_000));
    expect(await ask(site.edge.bind, single, "hello")).toBe("hello");
    for (const port of [first, first + 1, first + 2]) expect(await ask(site.edge.bind, port, "")).toBe(`tcp ${port}`);
  });
}
