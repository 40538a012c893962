import { expect, test } from "vitest";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { parseMapping } from "../../shared/rule/mapping.ts";

// The whole way of a visitor through the Worker, with the platform's parts made by hand: no disguise gets past `deny`,
// and none gets in by `allow`.

const { decodeVisit } = (await import(
  /* @vite-ignore */ new URL("../../edge/relay/doors/tcp-visit.ts", import.meta.url).href
)) as {
  decodeVisit: (name: string) => { visitor: string } | null;
};
const { admitTcp } = (await import(/* @vite-ignore */ new URL("../../edge/ingress/tcp.ts", import.meta.url).href)) as {
  admitTcp: (socket: unknown, env: unknown, ctx: unknown) => Promise<void>;
};

/** How a visitor of 10.1.2.3 may look to the platform, or want to. */
const DISGUISES = [
  "10.1.2.3:1",
  "[::ffff:10.1.2.3]:1",
  "[::ffff:0a01:0203]:1",
  "[::FFFF:A01:203]:1",
  "[0:0:0:0:0:ffff:10.1.2.3]:1",
  "[::10.1.2.3]:1",
  "[64:ff9b::10.1.2.3]:1",
  "[64:ff9b:1:a01:2:300::]:1",
  "[2002:a01:203::1]:1",
  "[2001:0:a01:203::1]:1",
  "[2001:0:1234::f5fe:fdfc]:1",
  "[::ffff:0:10.1.2.3]:1",
];

/** What is no address, or one that nobody can read twice alike. */
const UNREADABLE = [
  "",
  "10.1.2.3.4:1",
  "010.1.2.3:1",
  "0x0a.1.2.3:1",
  "167838211:1",
  "10.1.515:1",
  "[fe80::1%eth0]:1",
  "10.1.2.3 :1",
  "unix:/x",
  "10.1.2.256:1",
  "[::ffff:10.1.2.3%1]:1",
];

test.each(DISGUISES)("deny sees through %s", async (remote) => {
  expect(await visit(remote, { deny: ["10.0.0.0/8"] })).toBe("refused");
});

test.each(DISGUISES.slice(5))("allow is not won by %s", async (remote) => {
  expect(await visit(remote, { allow: ["10.0.0.0/8"] })).toBe("refused");
});

test.each(DISGUISES.slice(0, 5))("%s is that very address", async (remote) => {
  expect(await visit(remote, { allow: ["10.1.2.3"] })).toBe("let in as 10.1.2.3:1");
});

test.each(UNREADABLE)("%j is nobody's address", async (remote) => {
  expect(await visit(remote, {})).toBe("refused");
});

test("whoever came by CONNECT on the HTTP socket is refused: its address is of its own choice", async () => {
  expect(await visit(undefined, {})).toBe("refused");
});

/** What becomes of a visitor at a port with these rules. */
async function visit(remoteAddress: string | undefined, rules: Partial<Mapping>): Promise<string> {
  const draft = parseMapping({ endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80", ...rules });
  if (!draft.ok) throw new Error(draft.error.message);
  const stamp = { by: "ann", at: 0 };
  const mapping = { ...draft.value, id: 1, created: stamp, changed: stamp, revision: 1 };
  const route = { site: "lab", relay: "lab#1", relaySeen: true, mapping, grants: [], revision: 1 };
  let outcome = "nothing";
  const streams = () => ({
    readable: new ReadableStream({ start: (end) => end.close() }),
    writable: new WritableStream(),
  });
  const relay = (name: string) => {
    outcome = `let in as ${decodeVisit(name)?.visitor}`;
    return streams();
  };
  const env = {
    REGISTRY: { getByName: () => ({ routePort: async () => route, record: async () => undefined }) },
    RELAY: { getByName: () => ({ connect: relay }) },
  };
  const port = 1_024 + Math.floor(Math.random() * 60_000);
  const socket = {
    ...streams(),
    opened: Promise.resolve({ remoteAddress, localAddress: `192.0.2.1:${port}` }),
    close: async () => void (outcome = "refused"),
  };
  await admitTcp(socket, env, { waitUntil: (work: Promise<unknown>) => void work });
  return outcome;
}
