import { once } from "node:events";
import { expect, test } from "vitest";
import { endlessOrigin } from "../support/endless.ts";
import { heldFlow, heldResponse, heldSocket, heldTcp, type Held } from "../support/held.ts";
import { loopback } from "../support/net.ts";
import { tcpServer, udpServer } from "../support/peers.ts";
import { listeningAt, testSite } from "../support/site.ts";

// A rule that lets in fewer than before ends what it lets in no more, at every door, and nothing else.
// Two seconds are promised. What takes thirty is called open here, so that a table says which pair it is.
const TOO_LONG_MS = 30_000;
const DOORS = ["port", "response", "socket", "gateway", "flow", "client"] as const;
type Visitors = Record<(typeof DOORS)[number], Held>;

test("what a narrower rule lets in no more ends at every door; who is still let in stays", async () => {
  await using site = await testSite({ tcp: "8081-8089" });
  await using echo = await tcpServer(loopback());
  await using datagrams = await udpServer(loopback());
  await using origin = await endlessOrigin();
  const { edge } = site;
  const at = loopback();
  const gateway = await site.gateway(await site.token("gateway"), "--bind", at);
  const clientToken = await site.token("visitor", "--endpoint", "lab/*");

  const endpointsOf = (n: number): string[] => [
    `808${n}/tcp`,
    `506${n}/udp`,
    `706${n}/tcp`,
    `http://app${n}.localhost:8787`,
    `lab/echo${n}`,
  ];
  const map = async (n: number): Promise<void> => {
    const tcp = `${echo.host}:${echo.port}`;
    const targets = [tcp, `${datagrams.host}:${datagrams.port}`, tcp, origin.url, tcp];
    for (const [index, endpoint] of endpointsOf(n).entries())
      await edge.ask("POST", "/mappings", { endpoint, site: "lab", target: targets[index] });
  };
  const visit = async (n: number, from: string): Promise<Visitors> => {
    const web = { url: edge.url, host: `app${n}.localhost:8787` };
    const client = await site.connect(clientToken, `lab/echo${n}`);
    for (const endpoint of [`506${n}\\/udp`, `706${n}\\/tcp`])
      await gateway.until(new RegExp(`"msg":"listening","endpoint":"${endpoint}"`));
    return {
      port: await heldTcp({ host: edge.host, port: 8080 + n }, from),
      response: await heldResponse(web, from),
      socket: await heldSocket(web, from),
      gateway: await heldTcp({ host: at, port: 7060 + n }, from),
      flow: await heldFlow({ host: at, port: 5060 + n }, from),
      client: await heldTcp(await listeningAt(client, `lab/echo${n}`)),
    };
  };
  const change = async (n: number, rule: object): Promise<void> => {
    for (const endpoint of endpointsOf(n)) await edge.ask("PATCH", `/mappings/${encodeURIComponent(endpoint)}`, rule);
  };

  // Clients are where they dial from, whatever the visitor of theirs is.
  const [guest, neighbour] = ["127.0.0.1", loopback()];
  const changes = [
    [1, { deny: ["127.0.0.1"] }],
    [2, { allow: [neighbour] }],
  ] as const;
  for (const [n, rule] of changes) {
    await map(n);
    const [out, stays] = [await visit(n, guest), await visit(n, neighbour)];
    watch(out, stays);
    await change(n, rule);
    expect({ n, ...(await ended(out)) }).toEqual({ n, ...all("ended") });
    expect({ n, ...stillOpen(stays) }).toEqual({ n, ...all("open"), client: "ended" });
    close(out, stays);
  }

  await map(3);
  const strangers = await visit(3, guest);
  await change(3, { access: "token" });
  const { client, ...public_ } = await ended(strangers, ["client"]);
  expect(client).toBe("open");
  expect(public_).toEqual({ port: "ended", response: "ended", socket: "ended", gateway: "ended", flow: "ended" });
  close(strangers);

  await map(4);
  const [first, second] = [await visit(4, guest), await visit(4, guest)];
  watch(first, second);
  await change(4, { maxStreams: 1 });
  expect(await ended(second)).toEqual(all("ended"));
  // Of one host's mapping, its response came first.
  expect(stillOpen(first)).toEqual({ ...all("open"), socket: "ended" });
  close(first, second);
});

const fates = new WeakMap<Held, string>();

/** Waits until each has ended, but for those that are not to; what has become of all. */
async function ended(visitors: Visitors, but: readonly string[] = []): Promise<Record<string, string>> {
  watch(visitors);
  await Promise.all(
    Object.entries(visitors).map(async ([door, held]) => {
      if (!but.includes(door)) await Promise.race([held.gone, once(AbortSignal.timeout(TOO_LONG_MS), "abort")]);
    }),
  );
  return stillOpen(visitors);
}

function stillOpen(visitors: Visitors): Record<string, string> {
  return Object.fromEntries(Object.entries(visitors).map(([door, held]) => [door, fates.get(held) ?? "open"]));
}

function watch(...all_: readonly Visitors[]): void {
  for (const held of all_.flatMap((each) => Object.values(each))) void held.gone.then(() => fates.set(held, "ended"));
}

function all(fate: string): Record<string, string> {
  return Object.fromEntries(DOORS.map((door) => [door, fate]));
}

function close(...all_: readonly Visitors[]): void {
  for (const held of all_.flatMap((each) => Object.values(each))) held.close();
}
