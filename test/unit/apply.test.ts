import { expect, test } from "vitest";
import type { Actor } from "../../edge/registry/actor.ts";
import { applyRules, type ApplyResult, type ApplyRequest } from "../../edge/registry/apply.ts";
import { etagOf } from "../../edge/registry/etag.ts";
import { addMapping, changeMapping, removeMapping } from "../../edge/registry/mapping-changes.ts";
import { addSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import type { Outcome } from "../../edge/problem.ts";
import { sqlStore } from "../support/sql.ts";

const HELD = { SELF_HOSTED: "1", TCP_PORTS: "1-65535" };

test("rules are added, changed and removed together, each site's revision moves once, and a second time nothing happens", () => {
  const store = register();
  value(addMapping(store, HELD, rule(8080), by()));
  value(addMapping(store, HELD, rule(8081), by()));
  const before = store.sites.find("lab")?.revision ?? 0;
  const wanted = [{ ...rule(8080), owner: "Ann" }, rule(8082)];
  const { changes } = value(apply(store, wanted));
  expect(changes.map((change) => [change.before?.endpoint, change.after?.endpoint])).toEqual([
    ["8081/tcp", undefined],
    ["8080/tcp", "8080/tcp"],
    [undefined, "8082/tcp"],
  ]);
  expect(store.mappings.list()).toMatchObject([
    { id: 1, endpoint: "8080/tcp", owner: "Ann" },
    { id: 3, endpoint: "8082/tcp" },
  ]);
  expect(store.sites.find("lab")?.revision).toBe(before + 1);
  expect(value(apply(store, wanted))).toMatchObject({ changes: [], unchanged: 2 });
  expect(store.sites.find("lab")?.revision).toBe(before + 1);
});

test("a dry run answers the same, and changes nothing", () => {
  const store = register();
  const wanted = [rule(8080), rule(8081)];
  const state = (): string => JSON.stringify([store.mappings.list(), store.sites.list(), store.journal.audits(9)]);
  const before = state();
  const planned = value(apply(store, wanted, { dryRun: true })).changes;
  expect(state()).toBe(before);
  expect(value(apply(store, wanted)).changes).toEqual(planned);
});

test.each([
  ["a bad target", { ...rule(9000), target: "10.0.0.5" }, { code: "bad-target", field: "target" }],
  ["no such site", { ...rule(9000), site: "nowhere" }, { code: "no-such-site", field: "site" }],
  [
    "an overlap with another of them",
    { ...rule(9000), endpoint: "8000-8001/tcp" },
    { code: "conflict", field: "endpoint" },
  ],
  ["a port of nobody", { ...rule(9000), endpoint: "53/udp" }, { code: "udp-unserved" }],
])("one wrong rule among many is named by its place, and nothing happens: %s", (_, wrong, problem) => {
  const store = register();
  const rules = Array.from({ length: 20 }, (_each, index) => rule(8000 + index));
  expect(apply(store, rules.with(11, wrong))).toMatchObject({ ok: false, problem: { entry: 11, ...problem } });
  expect(store.mappings.list()).toEqual([]);
});

test("what is not in the file stays with keep, and what an agent published in any case", () => {
  const store = register();
  value(addMapping(store, HELD, rule(8080), by()));
  value(addMapping(store, HELD, rule(8081), by("agent:lab:1a2b")));
  value(apply(store, [rule(8082)], { keep: true }));
  expect(store.mappings.list().map(({ endpoint }) => endpoint)).toEqual(["8080/tcp", "8081/tcp", "8082/tcp"]);
  expect(apply(store, [{ ...rule(8082), endpoint: "8081-8082/tcp" }])).toMatchObject({
    ok: false,
    problem: { code: "conflict" },
  });
  value(apply(store, []));
  expect(store.mappings.list().map(({ endpoint }) => endpoint)).toEqual(["8081/tcp"]);
});

test("of two who saw the same state, the second is told", () => {
  const store = register();
  const tag = `"${value(apply(store, [rule(8080)])).tag}"`;
  const [mapping] = store.mappings.list();
  const etag = mapping === undefined ? "" : etagOf(mapping);
  value(changeMapping(store, HELD, "8080/tcp", { owner: "Ann" }, by("ann"), etag));
  const late = { ok: false, problem: { status: 412, code: "changed-meanwhile" } };
  expect(changeMapping(store, HELD, "8080/tcp", { owner: "Ben" }, by("ben"), etag)).toMatchObject(late);
  expect(removeMapping(store, "8080/tcp", by("ben"), etag)).toMatchObject(late);
  expect(apply(store, [], { ifMatch: tag })).toMatchObject(late);
  expect(store.mappings.list()).toMatchObject([{ owner: "Ann" }]);
  expect(changeMapping(store, HELD, "8080/tcp", { owner: "Ben" }, by("ben"), "*")).toMatchObject({ ok: true });
});

test("the tag of the register is another after every change, and the same without one", () => {
  const store = register();
  value(addSite(store, "shop", by()));
  const seen = new Set([store.mappings.tag]);
  const steps = [
    () => addMapping(store, HELD, rule(8080), by()),
    () => addMapping(store, HELD, rule(8081), by()),
    () => changeMapping(store, HELD, "8080/tcp", { site: "shop" }, by("ann", 1)),
    () => removeMapping(store, "8081/tcp", by()),
    () => addMapping(store, HELD, rule(8081), by()),
  ];
  for (const step of steps) {
    expect(step().ok).toBe(true);
    seen.add(store.mappings.tag);
  }
  expect(seen.size).toBe(steps.length + 1);
});

test("an edit is written down field by field", () => {
  const store = register();
  value(addMapping(store, HELD, rule(8080), by()));
  value(changeMapping(store, HELD, "8080/tcp", { owner: "Ann", allow: ["203.0.113.0/24"] }, by("ann")));
  expect(store.journal.audits(1)).toMatchObject([
    {
      actor: "ann",
      action: "map edit",
      detail: 'mapping 1: owner: default -> Ann; allow: default -> ["203.0.113.0/24"]',
    },
  ]);
});

function register(): Store {
  const store = new Store(sqlStore());
  value(addSite(store, "lab", by()));
  return store;
}

function apply(store: Store, mappings: unknown[], options: Partial<ApplyRequest> = {}): Outcome<ApplyResult> {
  return applyRules(store, HELD, { mappings, keep: false, dryRun: false, ifMatch: undefined, ...options }, by());
}

function rule(port: number) {
  return { endpoint: `${port}/tcp`, site: "lab", target: `10.0.0.5:${port}` };
}

function by(name = "admin", later = 0): Actor {
  return { name, from: "192.0.2.9", now: Date.UTC(2026, 10, 22) + later };
}

function value<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.problem.detail);
  return outcome.value;
}
