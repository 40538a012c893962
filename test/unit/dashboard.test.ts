import { expect, test } from "vitest";
import type { MappingStatus, MappingView } from "../../shared/rule/api.ts";
import { agentCommand } from "../../dashboard/commands.ts";
import { EMPTY, formOf, inputOf, type Form } from "../../dashboard/form.ts";
import { routeOf, hrefOf, type Route } from "../../dashboard/route.ts";
import { selectRows, rowsOf, worstFirst } from "../../dashboard/rows.ts";
import { parseRules } from "../../dashboard/rules-text.ts";
import { shiftedTo, withHours, withReport, type Traffic } from "../../dashboard/traffic.ts";
import { Traffic as RelayTraffic } from "../../edge/relay/site/traffic.ts";
import { TrafficTable } from "../../edge/registry/traffic.ts";
import { Store } from "../../edge/registry/store.ts";
import { parseMapping } from "../../shared/rule/mapping.ts";
import { registerText } from "../../shared/rule/register-text.ts";
import { unwrap } from "../../shared/result.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22, 12, 0, 30);
const MINUTE = 60_000;
const NOTHING: Traffic = { rates: new Map(), hours: new Map(), until: NOW };

test("a mapping survives the form: what is shown is what is sent, and an emptied field is its default", () => {
  for (const input of [
    { endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80" },
    {
      ...{ endpoint: "5060/udp", site: "lab", target: "10.0.0.5:5060", name: "pbx", owner: "ann", note: "calls" },
      ...{ access: "token", allow: ["10.0.0.0/8", "::/0"], deny: ["10.1.0.0/16"], expires: "2027-01-31T18:00:00.000Z" },
      ...{ maxStreams: 5, newPerSecond: 2, bytesPerSecond: 100_000, idleSeconds: 30, reflectorOk: true },
    },
    {
      ...{ endpoint: "https://a.example/app", site: "lab", target: "https://10.0.0.5" },
      http: { tlsVerify: false, prefix: "strip", hostHeader: "target", rewrite: false, sni: "b.example" },
    },
  ]) {
    const rule = unwrap(parseMapping(input));
    expect(unwrap(parseMapping(inputOf(formOf(rule))))).toEqual(rule);
  }
  const typed: Form = {
    ...EMPTY,
    endpoint: " 8080/tcp ",
    site: "lab",
    target: "10.0.0.5:80",
    allow: "10.0.0.1,\n10.0.0.2",
  };
  expect(unwrap(parseMapping(inputOf(typed)))).toMatchObject({
    endpoint: "8080/tcp",
    allow: ["10.0.0.1", "10.0.0.2"],
  });
});

test("every route is found again by its address, whatever is in it", () => {
  const routes: Route[] = [
    { view: "overview" },
    { view: "mapping", endpoint: "https://a.example/p?q#%", edit: true },
    { view: "mapping", endpoint: "8080/tcp", edit: false },
    { view: "new", site: "" },
    { view: "new", site: "lab" },
    { view: "log", endpoint: "lab/ssh" },
    { view: "import" },
    { view: "access" },
    { view: "audit" },
  ];
  expect(routes.map((route) => routeOf(hrefOf(route)))).toEqual(routes);
  expect(routeOf("#/mapping/%E0%A4%A")).toEqual({ view: "overview" });
});

test("the register is searched by every word, put in order, and what is not well comes first", () => {
  const mappings = ["8090/tcp shop ann", "8080/tcp camera ben", "9000/tcp shop ben"].map((text, index) =>
    view(text, index),
  );
  const statuses = mappings.map(({ id }) => ({ id, state: id === 2 ? "no-agent" : "ready" }) as MappingStatus);
  const rows = rowsOf(mappings, statuses, NOTHING);
  const query = { text: "", site: "", tag: "", order: "endpoint", down: false } as const;
  const found = (each: Parameters<typeof selectRows>[1]) =>
    selectRows(rows, each).map(({ mapping }) => mapping.endpoint);
  expect(found(query)).toEqual(["8080/tcp", "8090/tcp", "9000/tcp"]);
  expect(found({ ...query, down: true })).toEqual(["9000/tcp", "8090/tcp", "8080/tcp"]);
  expect(found({ ...query, text: "SHOP ben" })).toEqual(["9000/tcp"]);
  expect(found({ ...query, site: "elsewhere" })).toEqual([]);
  expect(worstFirst(selectRows(rows, query))[0]?.mapping.id).toBe(2);
});

test("the register is filtered by a tag, and searched by it", () => {
  const mappings = [
    { ...view("8080/tcp", 0), tags: ["camera", "floor-2"] },
    { ...view("8081/tcp", 1), tags: ["camera"] },
    view("8082/tcp", 2),
  ];
  const rows = rowsOf(mappings, [], NOTHING);
  const query = { text: "", site: "", tag: "", order: "endpoint", down: false } as const;
  const found = (each: Parameters<typeof selectRows>[1]) => selectRows(rows, each).map(({ mapping }) => mapping.id);
  expect(found({ ...query, tag: "camera" })).toEqual([0, 1]);
  expect(found({ ...query, tag: "camera", text: "floor" })).toEqual([0]);
  expect(found({ ...query, tag: "cam" })).toEqual([]);
  expect(found(query)).toEqual([0, 1, 2]);
});

test("what the edge exports is read again, and what is wrong is said with its place", () => {
  const mappings = [view("8080/tcp shop ann", 0), view("8081/tcp camera ben", 1)];
  for (const format of ["toml", "json"] as const) {
    const read = parseRules(registerText(mappings, format, "https://edge.example"));
    expect({
      format,
      rules: read.ok ? read.rules.map((rule) => unwrap(parseMapping(rule)).endpoint) : read.message,
    }).toEqual({
      format,
      rules: ["8080/tcp", "8081/tcp"],
    });
  }
  expect(parseRules('[[mapping]]\nendpoint = "8080/tcp"\nsite = "lab"\ntarget = "nowhere at all"\n')).toMatchObject({
    ok: false,
    message: expect.stringMatching(/^Line 4: /),
  });
  expect(parseRules("{")).toMatchObject({ ok: false, message: expect.stringMatching(/^Not JSON/) });
  expect(parseRules('[{"endpoint": "8080/tcp"}]')).toMatchObject({
    ok: false,
    message: expect.stringMatching(/^rule 1: /),
  });
});

test("a token in a command is nothing to a shell, and in a file of its owner alone", () => {
  expect(agentCommand({ token: "it's; rm", site: "lab" })).toBe(
    `(umask 077; printf '%s\\n' 'it'\\''s; rm' > lab.token)\nagent --token-file lab.token`,
  );
});

test("reports make rates, and their bytes are the last minute's", () => {
  const minutes = Array.from({ length: 60 }, (_, minute) => (minute === 59 ? 7 : 0));
  const until = new Date(NOW + 30_000).toISOString();
  const traffic = withHours(NOTHING, {
    until,
    minutes: 60,
    mappings: [{ mapping: 1, bytesIn: minutes, bytesOut: minutes }],
  });
  const report: Parameters<typeof withReport>[1] = {
    type: "traffic",
    site: "lab",
    ms: 2000,
    mappings: [{ mapping: 1, streams: 3, bytesIn: 10, bytesOut: 30 }],
  };
  const seen = withReport(traffic, report, NOW);
  expect(seen.rates.get(1)).toMatchObject({
    streams: 3,
    bytesIn: 5,
    bytesOut: 15,
    lately: [{ bytesIn: 5, bytesOut: 15 }],
  });
  expect(seen.hours.get(1)?.at(-1)).toBe(54);
  // Two minutes on: nobody is there any more, and the hour has moved.
  const later = withReport(seen, { ...report, mappings: [] }, NOW + 2 * MINUTE);
  expect(later.rates.get(1)).toMatchObject({ streams: 0, bytesIn: 0, bytesOut: 0 });
  expect(
    shiftedTo(later, NOW + 2 * MINUTE)
      .hours.get(1)
      ?.slice(-3),
  ).toEqual([54, 0, 0]);
});

test("a relay counts each byte once, live and for the hour", () => {
  const traffic = new RelayTraffic();
  const stream = {
    ref: "x",
    at: 0,
    mapping: 1,
    endpoint: "",
    target: "",
    visitor: "",
    agent: "",
    bytesIn: 5,
    bytesOut: 0,
  };
  traffic.look([stream]);
  stream.bytesIn = 8;
  expect(traffic.take([stream], NOW, true)).toMatchObject({
    live: [{ mapping: 1, streams: 1, bytesIn: 8, bytesOut: 0 }],
    moved: [{ mapping: 1, bytesIn: 8, bytesOut: 0 }],
  });
  stream.bytesOut = 4;
  traffic.look([stream]);
  // Written down once a minute while it goes on, or when it is quiet.
  expect(traffic.take([stream], NOW + 2000, true)).toEqual({
    ms: 2000,
    live: [{ mapping: 1, streams: 1, bytesIn: 0, bytesOut: 4 }],
    moved: [],
  });
  expect(traffic.take([], NOW + 4000, true)).toEqual({
    ms: 2000,
    live: [],
    moved: [{ mapping: 1, bytesIn: 0, bytesOut: 4 }],
  });
  expect([traffic.isDue(NOW + 5000, true), traffic.isDue(NOW + 6000, true), traffic.isDue(NOW + 6000, false)]).toEqual([
    false,
    true,
    false,
  ]);
});

test("the edge remembers an hour of each mapping, minute by minute", () => {
  const storage = sqlStore();
  const { traffic } = new Store(storage);
  expect(traffic).toBeInstanceOf(TrafficTable);
  traffic.add([{ mapping: 1, bytesIn: 1, bytesOut: 2 }], NOW - 59 * MINUTE);
  traffic.add([{ mapping: 1, bytesIn: 3, bytesOut: 4 }], NOW);
  traffic.add([{ mapping: 1, bytesIn: 5, bytesOut: 6 }], NOW);
  const [hour] = traffic.lastHour(NOW);
  expect([hour?.bytesIn.at(0), hour?.bytesIn.at(-1), hour?.bytesOut.at(-1), hour?.bytesIn.length]).toEqual([
    1, 8, 10, 60,
  ]);
  traffic.add([{ mapping: 2, bytesIn: 1, bytesOut: 1 }], NOW + MINUTE);
  expect(traffic.lastHour(NOW + MINUTE).find(({ mapping }) => mapping === 1)?.bytesIn[0]).toBe(0);
});

function view(text: string, index: number): MappingView {
  const [endpoint, name, owner] = text.split(" ");
  const rule = unwrap(parseMapping({ endpoint, name, owner, site: "lab", target: "10.0.0.5:80" }));
  const stamp = { by: "ann", at: new Date(NOW).toISOString() };
  return {
    ...rule,
    expires: null,
    id: index,
    revision: 1,
    created: stamp,
    changed: stamp,
    lastUsed: null,
    etag: '"x"',
  };
}
