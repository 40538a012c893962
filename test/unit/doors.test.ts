import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { decodeFrame, encodeFrame, TYPE } from "../../shared/wire/frame.ts";
import type { Grant } from "../../shared/rule/grant.ts";
import { opensOf } from "../../shared/rule/opens.ts";
import { parseMapping, type Mapping } from "../../shared/rule/mapping.ts";
import { decodeFailure, encodeOpen } from "../../shared/wire/open.ts";
import { relayPart, relaySite, type AgentLike, type Ruling } from "../support/relay-site.ts";
import { good } from "./parsed.ts";

// Every rule at every door: a row is a decision, a column the door at which a visitor meets it. A door that skips a rule falls here.

type Site = ReturnType<typeof relaySite>;
const { serveTcp } = await relayPart<{ serveTcp: (site: object, visit: object, socket: object) => Promise<void> }>(
  "doors/tcp.ts",
);
const { HttpDoor } = await relayPart<{
  HttpDoor: new (
    site: object,
    boot: string,
    trustCf: boolean,
  ) => { serve: (visit: object, request: Request) => Promise<Response> };
}>("doors/http.ts");
const { CallerDoor } = await relayPart<{
  CallerDoor: new (site: object) => { open: (lane: object, frame: object) => void };
}>("doors/caller-door.ts");
const { probe } = await relayPart<{
  probe: (site: object, endpoint: string) => Promise<{ failure: { code: string } | null }>;
}>("doors/probe.ts");
const { mayResume } = await relayPart<{
  mayResume: (site: object, token: object, mapping: number, now: number) => boolean;
}>("site/admission.ts");

const NOW = 1_800_000_000_000;
const VISITOR = "192.0.2.9";
const PORT = "23102/tcp";
const HOST = "http://shop.example";

const DOORS = ["port", "raw", "host", "login", "client", "gateway", "test", "resumed", "open"] as const;
type Door = (typeof DOORS)[number];
/** What the visitor is told: "in", or a code. */
type Told = Partial<Record<Door, string>> & { rest: string };

const OTHERS = { slot: 1, targets: ["0.0.0.0/0"], said: { allow: [], deny: [] }, heardAt: NOW };
const NARROW = { ...OTHERS, targets: ["10.9.9.9:1"] };
const grant = (until: number): Grant => ({
  id: "g1",
  mappings: [1, 2],
  addresses: [VISITOR],
  to: "",
  created: 0,
  until,
  by: "ann",
});

type Row = {
  rule?: Partial<Mapping>;
  ruling?: Partial<Ruling>;
  agents?: readonly AgentLike[];
  pass?: object;
  judged?: number;
  /** Visitors at both endpoints who are in already. */
  ahead?: number;
  told: Told;
};

const ROWS: Record<string, Row> = {
  "nothing in the way": { told: { rest: "in" } },
  "nothing is mapped there": {
    ruling: { mappings: [] },
    told: { rest: "no-mapping", resumed: "ended", open: "cut" },
  },
  "the relay has no rules yet": {
    ruling: { mappings: [], revision: -1 },
    told: { rest: "busy", test: "no-mapping", resumed: "ended", open: "in" },
  },
  "the mapping has expired": {
    rule: { expires: NOW },
    told: { rest: "expired", test: "in", resumed: "ended", open: "cut" },
  },
  "the address is denied": {
    rule: { deny: ["192.0.2.0/24"] },
    told: { rest: "denied", test: "in", resumed: "ended", open: "cut" },
  },
  "the address is denied, whatever a grant says": {
    rule: { deny: ["192.0.2.0/24"] },
    ruling: { grants: [grant(NOW + 60_000)] },
    told: { rest: "denied", test: "in", resumed: "ended", open: "cut" },
  },
  "the address is not on the allow list": {
    rule: { allow: ["10.0.0.0/8"] },
    told: { rest: "denied", test: "in", resumed: "ended", open: "cut" },
  },
  "a grant admits the address": {
    rule: { allow: ["10.0.0.0/8"] },
    ruling: { grants: [grant(NOW + 60_000)] },
    told: { rest: "in" },
  },
  "a grant that has ended admits no address": {
    rule: { allow: ["10.0.0.0/8"] },
    ruling: { grants: [grant(NOW)] },
    told: { rest: "denied", test: "in", resumed: "ended", open: "cut" },
  },
  "tokens only": {
    rule: { access: "token" },
    told: { rest: "in", port: "denied", host: "denied", gateway: "denied", open: "cut" },
  },
  "tokens only, and a grant": {
    rule: { access: "token" },
    ruling: { grants: [grant(NOW + 60_000)] },
    told: { rest: "in" },
  },
  "the token is revoked": {
    ruling: { revoked: ["jti-1"] },
    told: { rest: "in", raw: "denied", login: "denied", client: "denied", gateway: "denied", resumed: "ended" },
  },
  "the token has carried all it may": {
    ruling: { spent: ["jti-1"] },
    told: { rest: "in", raw: "denied", login: "denied", client: "denied", gateway: "denied", resumed: "ended" },
  },
  "the token has expired": {
    pass: { expires: NOW / 1000 },
    told: { rest: "in", login: "expired", client: "expired", gateway: "expired", resumed: "ended" },
  },
  "the token was judged for another mapping": { judged: 7, told: { rest: "in", raw: "denied", login: "denied" } },
  "the token opens other endpoints": {
    pass: { endpoints: ["lab/*"] },
    told: { rest: "in", client: "denied", gateway: "denied", resumed: "ended" },
  },
  "the token was issued for what was mapped there before": {
    pass: { endpoints: [PORT], issued: NOW / 1000 - 10 },
    ruling: { reassigned: { 1: NOW - 1_000 } } as object,
    told: { rest: "in", client: "denied", resumed: "ended" },
  },
  "the token may be used from elsewhere only": {
    pass: { from: ["10.0.0.0/8"] },
    told: { rest: "in", client: "denied", resumed: "ended" },
  },
  "as many streams as may be are open": {
    rule: { maxStreams: 1 },
    ahead: 1,
    told: { rest: "too-many", client: "in", gateway: "in", test: "in", resumed: "in", open: "cut" },
  },
  "no agent is there": {
    agents: [],
    told: { rest: "no-agent", client: "slot-gone", gateway: "slot-gone", resumed: "in", open: "in" },
  },
  "the agent is silent": {
    agents: [{ ...OTHERS, heardAt: NOW - 3_600_000 }],
    told: { rest: "no-agent", client: "slot-gone", gateway: "slot-gone", resumed: "in", open: "in" },
  },
  "the agent's token does not name the target, whatever the agent says": {
    agents: [NARROW],
    told: { rest: "target-denied", test: "in", resumed: "in", open: "in" },
  },
  "the agent's own rules forbid the target": {
    agents: [{ ...OTHERS, said: { allow: [], deny: ["10.0.0.0/8"] } }],
    told: { rest: "target-denied", test: "in", resumed: "in", open: "in" },
  },
  "the agent that a caller names may not dial the target, and another one may": {
    agents: [NARROW, { ...OTHERS, slot: 9 }],
    told: { rest: "in", client: "slot-gone", gateway: "slot-gone" },
  },
  "another agent is there that may": {
    agents: [{ ...NARROW, slot: 9 }, OTHERS],
    told: { rest: "in" },
  },
  "the agent says nothing of its own rules": { agents: [{ slot: 1, heardAt: NOW }], told: { rest: "in" } },
};

const CASES = Object.entries(ROWS).flatMap(([name, row]) =>
  DOORS.map((door) => ({ name, door, row, told: row.told[door] ?? row.told.rest })),
);

beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

test.each(CASES)("$name: $door $told", async ({ door, row, told }) => {
  expect(await at(door, row)).toBe(told);
});

test("a stream goes on at the next agent when the first, which says nothing of its rules, dials no such target", async () => {
  const agents = [1, 2].map((slot) => ({ slot, heardAt: NOW }));
  const world = relaySite({ mappings: mappings({}) }, agents, NOW);
  void serveTcp(world.site, { endpoint: PORT, visitor: `${VISITOR}:7` }, socket());
  await vi.waitFor(() => expect(world.opened.map(({ slot }) => slot)).toEqual([1]));
  world.refuse(0, "target-denied");
  expect(world.opened.map(({ slot }) => slot)).toEqual([1, 2]);
  world.refuse(1, "target-denied");
  await vi.waitFor(() => expect(world.recorded.map(({ code }) => code)).toEqual(["target-denied"]));
});

/** What a door answers a visitor. */
async function at(door: Door, row: Row): Promise<string> {
  const { rule = {}, ruling = {}, agents = [OTHERS], pass = {}, judged, ahead = 0 } = row;
  const all = { mappings: mappings(rule), ...ruling };
  // A stream that is open was let in before the rule was what it is.
  const world = relaySite(door === "open" ? { mappings: mappings({}) } : all, agents, NOW);
  const { site } = world;
  for (let count = 0; count < ahead; count += 1) {
    expect(await tcp(world, {})).toBe("in");
    if (door !== "open") expect(await http(world, { token: "", caps: {}, judged: 0, until: null })).toBe("in");
  }
  const before = world.opened.length;
  const lanePass = (kind: string) => ({
    kind,
    jti: "jti-1",
    site: "lab",
    identity: "x",
    address: VISITOR,
    endpoints: "*",
    expires: NOW / 1000 + 60,
    issued: NOW / 1000,
    ready: { number: 5 },
    ...pass,
  });
  const expires = "expires" in pass ? Number(pass.expires) * 1000 : null;
  const token = { token: "jti-1", caps: {}, judged: judged ?? 1 };
  switch (door) {
    case "port":
      return tcp(world, {});
    case "raw":
      return tcp(world, token);
    case "host":
      return http(world, { token: "", caps: {}, judged: 0, until: null });
    case "login":
      return http(world, { ...token, judged: judged ?? 2, until: expires });
    case "client":
    case "gateway":
      return forwarded(site, lanePass(door));
    case "test": {
      const answer = probe(site, PORT);
      await Promise.resolve();
      world.refuse(before, "target-refused");
      const { failure } = await answer;
      return failure?.code === "target-refused" ? "in" : (failure?.code ?? "in");
    }
    case "resumed":
      return mayResume(site, tokenOf(lanePass("client")), 1, NOW) ? "in" : "ended";
    case "open": {
      void serveTcp(site, { endpoint: PORT, visitor: `${VISITOR}:7` }, socket());
      await vi.waitFor(() => expect(site.visits.live.length + world.recorded.length).toBe(before + 1));
      world.change(all);
      site.visits.recheck(NOW);
      return world.opened.at(-1)?.ended?.code ?? "in";
    }
  }
}

function mappings(rule: Partial<Mapping>): Mapping[] {
  const stamp = { at: 0, by: "ann" };
  const { maxStreams, ...others } = rule;
  return [
    { endpoint: PORT, target: "10.0.0.5:80" },
    { endpoint: HOST, target: "http://10.0.0.5" },
  ].map((place, index) => ({
    ...good(parseMapping({ site: "lab", ...place, ...others, ...(others.expires ? { expires: NOW + 1_000 } : {}) })),
    ...(others.expires ? { expires: others.expires } : {}),
    ...(maxStreams === undefined ? {} : { maxStreams }),
    id: index + 1,
    created: stamp,
    changed: stamp,
    revision: 1,
  }));
}

async function tcp(world: Site, token: object): Promise<string> {
  const before = world.opened.length + world.recorded.length;
  void serveTcp(world.site, { endpoint: PORT, visitor: `${VISITOR}:7`, ...token }, socket());
  await vi.waitFor(() => expect(world.opened.length + world.recorded.length).toBe(before + 1));
  return world.recorded[0]?.code ?? "in";
}

async function http(world: Site, credential: object): Promise<string> {
  const before = world.opened.length + world.recorded.length;
  const visit = {
    endpoint: HOST,
    visitor: `${VISITOR}:7`,
    scheme: "http",
    host: "shop.example",
    port: 80,
    path: "/",
    via: [],
    key: "",
    ...credential,
  };
  void new HttpDoor(world.site, "0".repeat(16), false).serve(visit, new Request("http://shop.example/"));
  await vi.waitFor(() => expect(world.opened.length + world.recorded.length).toBe(before + 1));
  return world.recorded[0]?.code ?? "in";
}

function forwarded(site: object, attachment: object): string {
  const sent: Uint8Array[] = [];
  const payload = encodeOpen({ endpoint: PORT, visitor: `${VISITOR}:7` });
  const frame = decodeFrame(encodeFrame({ type: TYPE.OPEN, slot: 1, stream: 1 }, payload));
  new CallerDoor(site).open(
    { attachment, ...tokenOf(attachment), send: (bytes: Uint8Array) => void sent.push(bytes) },
    frame,
  );
  const rejected = sent.map((bytes) => decodeFrame(bytes)).find(({ type }) => type === TYPE.REJECT);
  return rejected === undefined ? "in" : decodeFailure(rejected.payload).code;
}

/** The token of a lane, as the relay reads it. */
function tokenOf(pass: object) {
  return { pass, opens: opensOf(pass) };
}

/** A visitor's connection on which nothing moves. */
function socket() {
  const idle = {
    getReader: () => ({
      read: () => new Promise(() => undefined),
      cancel: async () => undefined,
      closed: new Promise(() => undefined),
    }),
  };
  const writer = { write: async () => undefined, close: async () => undefined };
  return { readable: idle, writable: { getWriter: () => writer }, close: async () => undefined };
}
