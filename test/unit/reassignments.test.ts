import { expect, test } from "vitest";
import type { Actor } from "../../edge/registry/actor.ts";
import { applyRules } from "../../edge/registry/apply.ts";
import { Archive, exportArchive, importArchive } from "../../edge/registry/archive.ts";
import { changeMapping, removeMapping } from "../../edge/registry/mapping-changes.ts";
import { reachableSites } from "../../edge/registry/reach.ts";
import { addSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import { issueToken } from "../../edge/registry/token-changes.ts";
import type { Outcome } from "../../edge/problem.ts";
import { parseRule } from "../../shared/rule/mapping.ts";
import { decodeJwt } from "jose";
import { sqlStore } from "../support/sql.ts";
import { good } from "./parsed.ts";

// A visitor's token that names an endpoint was issued for what was mapped there then, and opens nothing that is mapped there later.

const START = Date.UTC(2026, 10, 22);
const HELD = { SELF_HOSTED: "1", TCP_PORTS: "1-65535", GATEWAY_UDP: "1-65535" };
const URL = "https://edge.example";

test.each<[scope: string, first: string, second: string, opens: boolean]>([
  // what the token says, what was mapped at its issue, what is mapped after that was removed
  ["23102/tcp", "23102/tcp", "23102/tcp", false],
  ["23102/tcp", "23102/tcp", "23100-23109/tcp", false],
  ["23102/tcp", "23100-23109/tcp", "23102/tcp", false],
  ["23102/tcp", "23102/tcp+udp", "23102/tcp", false],
  ["23102/tcp+udp", "23102/tcp", "23102/tcp", false],
  ["10000-10019/udp", "10000-10019/udp", "10000-10019/udp", false],
  ["10000-10009/udp", "10000-10019/udp", "10000-10019/udp", false],
  ["lab/ssh", "lab/ssh", "lab/ssh", false],
  ["https://shop.example", "https://shop.example", "https://shop.example", false],
  ["https://shop.example/a", "https://shop.example/a", "https://shop.example/a", false],
  ["https://shop.example", "https://shop.example:8443", "https://shop.example:8443", false],
  ["https://shop.example", "https://shop.example", "https://shop.example:8443", false],
  // Another transport, port, name or prefix is another service.
  ["23102/tcp", "23102/udp", "23102/tcp", true],
  ["23102/tcp", "23103/tcp", "23102/tcp", true],
  ["lab/ssh", "lab/web", "lab/ssh", true],
  ["https://shop.example", "https://shop.example/a", "https://shop.example", true],
  // What is wider than any mapping in it means whatever is mapped.
  ["lab/*", "lab/ssh", "lab/ssh", true],
  ["https://*.example", "https://shop.example", "https://shop.example", true],
  ["23000-23999/tcp", "23102/tcp", "23102/tcp", true],
  ["10000-10029/udp", "10000-10019/udp", "10000-10019/udp", true],
])(
  "a token for %s, issued while there was %s, opens %s once that was removed: %s",
  async (scope, first, second, opens) => {
    const it = edge();
    await it.map(first);
    const token = await it.token(scope);
    await it.unmap(first);
    await it.map(second, "office");
    expect(it.opens(token)).toBe(opens);
    expect(it.opens(await it.token(scope))).toBe(true);
  },
);

test("a token may be issued before anything is mapped: then it is for the first that comes", async () => {
  const it = edge();
  const token = await it.token("23102/tcp");
  await it.map("23102/tcp");
  expect(it.opens(token)).toBe(true);
  await it.unmap("23102/tcp");
  await it.map("23102/tcp");
  expect(it.opens(token)).toBe(false);
});

test("a mapping that is edited is the same one, unless it leads to another site", async () => {
  const it = edge();
  await it.map("23102/tcp");
  const token = await it.token("23102/tcp");
  it.edit("23102/tcp", { target: "10.0.0.9:22", name: "other" });
  expect(it.opens(token)).toBe(true);
  it.edit("23102/tcp", { endpoint: "23103/tcp" });
  expect(it.opens(token)).toBe(false);
  it.edit("23103/tcp", { endpoint: "23102/tcp+udp" });
  expect(it.opens(token)).toBe(true);
  it.edit("23102/tcp+udp", { site: "office" });
  expect(it.opens(token)).toBe(false);
  const later = await it.token("23102/tcp");
  expect(it.opens(later)).toBe(true);
  // Back again is another site once more.
  it.edit("23102/tcp+udp", { site: "lab" });
  expect([token, later].map((each) => it.opens(each))).toEqual([false, false]);
});

test("what moves away from an endpoint leaves it to others", async () => {
  const it = edge();
  await it.map("23102/tcp");
  const token = await it.token("23102/tcp");
  it.edit("23102/tcp", { endpoint: "23103/tcp" });
  await it.map("23102/tcp");
  expect(it.opens(token)).toBe(false);
});

test("rules that are applied from a file are judged alike", async () => {
  const it = edge();
  const rule = (site: string, target: string) => ({ endpoint: "23102/tcp", site, target });
  it.apply([rule("lab", "10.0.0.5:80")]);
  const token = await it.token("23102/tcp");
  it.apply([rule("lab", "10.0.0.6:80")]);
  expect(it.opens(token)).toBe(true);
  it.apply([rule("office", "10.0.0.6:80")]);
  expect(it.opens(token)).toBe(false);
  const later = await it.token("23102/tcp");
  it.apply([]);
  it.apply([rule("office", "10.0.0.6:80")]);
  expect(it.opens(later)).toBe(false);
});

test("an ad-hoc mapping that its agent makes again is the same one; another agent's is not", async () => {
  const it = edge();
  await it.map("23102/tcp", "lab", "agent:lab:1");
  const token = await it.token("23102/tcp");
  await it.unmap("23102/tcp", "agent:lab:1");
  await it.map("23102/tcp", "lab", "agent:lab:1");
  expect(it.opens(token)).toBe(true);
  await it.unmap("23102/tcp", "agent:lab:1");
  await it.map("23102/tcp", "office", "agent:office:1");
  expect(it.opens(token)).toBe(false);
});

test("within one second, a token counts by what came before and after it", async () => {
  const it = edge();
  await it.map("23102/tcp");
  it.pass(100);
  const before = await it.token("23102/tcp");
  it.pass(100);
  await it.unmap("23102/tcp");
  it.pass(100);
  const between = await it.token("23102/tcp");
  it.pass(100);
  await it.map("23102/tcp", "office");
  it.pass(100);
  const after = await it.token("23102/tcp");
  expect([before, between, after].map((token) => it.opens(token))).toEqual([false, true, true]);
});

test("what was removed while the clock was wrong does not shut out tokens that are issued once it is right", async () => {
  const it = edge();
  await it.map("23102/tcp");
  const before = await it.token("23102/tcp");
  it.pass(365 * 24 * 3600_000);
  await it.unmap("23102/tcp");
  await it.map("23102/tcp");
  it.pass(-364 * 24 * 3600_000);
  const after = await it.token("23102/tcp");
  expect([before, after].map((token) => it.opens(token))).toEqual([false, true]);
});

test("a gateway owns its ports, whatever is mapped there", async () => {
  const it = edge();
  await it.map("23102/tcp");
  await it.unmap("23102/tcp");
  await it.map("23102/tcp");
  const [lab] = reachableSites(it.store, ["23102/tcp"], null);
  expect(lab?.endpoints).toEqual([{ endpoint: "23102/tcp", kind: "tcp" }]);
});

test("what was removed is forgotten once no token is left that was issued before", async () => {
  const it = edge();
  const rows = () => it.sql.exec("SELECT * FROM vacated").toArray().length;
  const token = await it.token("1/tcp");
  for (const endpoint of ["1001/tcp", "1002/tcp", "1003/tcp"]) {
    await it.map(endpoint);
    await it.unmap(endpoint);
  }
  expect(rows()).toBe(3);
  it.store.tokens.revoke(String(decodeJwt(token).jti), it.now);
  await it.map("1004/tcp");
  await it.unmap("1004/tcp");
  expect(rows()).toBe(1);
});

test("an edge that imports the rules of another one judges its tokens as that did", async () => {
  const it = edge();
  await it.map("23102/tcp");
  await it.map("lab/ssh");
  const [port, service] = [await it.token("23102/tcp"), await it.token("lab/ssh")];
  await it.unmap("23102/tcp");
  await it.map("23102/tcp", "office");
  await it.unmap("lab/ssh");
  const archive = Archive.parse(JSON.parse(JSON.stringify(exportArchive(it.sql, it.now))));
  const other = edge([]);
  value(importArchive(other.store, other.sql, archive, other.by()));
  await other.map("lab/ssh");
  expect([other.opens(port), other.opens(service)]).toEqual([false, false]);
  // A document of an earlier version says nothing of this.
  const { vacated: _vacated, reassigned: _reassigned, ...tables } = archive.tables;
  expect(Archive.safeParse({ ...archive, format: 1, tables }).success).toBe(true);
  expect(Archive.safeParse({ ...archive, format: 3 }).success).toBe(false);
});

/** A register with sites, and a clock of its own that goes on by two seconds with every step. */
function edge(sites = ["lab", "office"]) {
  const storage = sqlStore();
  const store = new Store(storage);
  const it = {
    store,
    sql: storage.sql,
    now: START,
    by: (name = "ann"): Actor => ({ name, from: "", now: it.now }),
    pass: (ms: number): void => void (it.now += ms),
    map: async (endpoint: string, site = "lab", name = "ann"): Promise<void> => {
      it.pass(STEP_MS);
      const count = /^(\d+)-(\d+)\//.exec(endpoint);
      const ports = count === null ? "80" : `${count[1]}-${count[2]}`;
      const target = endpoint.startsWith("https:") ? "http://10.0.0.5" : `10.0.0.5:${ports}`;
      const owner = endpoint.startsWith("lab/") ? "lab" : site;
      // Not by way of what this edge serves: another one, with the same rules, may serve other ports.
      const draft = good(parseRule({ endpoint, site: owner, target }));
      store.mappings.add(draft, { by: name, at: it.now }, store.sites.touch(owner));
    },
    unmap: async (endpoint: string, name = "ann"): Promise<void> => {
      it.pass(STEP_MS);
      value(removeMapping(store, endpoint, it.by(name)));
    },
    edit: (endpoint: string, changes: object): void => {
      it.pass(STEP_MS);
      value(changeMapping(store, HELD, endpoint, changes, it.by()));
    },
    apply: (mappings: object[]): void => {
      it.pass(STEP_MS);
      value(applyRules(store, HELD, { mappings, keep: false, dryRun: false, ifMatch: undefined }, it.by()));
    },
    token: async (endpoint: string): Promise<string> => {
      it.pass(STEP_MS);
      const issued = await issueToken(store, URL, { kind: "visitor", endpoints: [endpoint] }, it.by());
      return value(issued).token;
    },
    /** Whether a token reaches anything. */
    opens: (token: string): boolean => {
      const { endpoints, iat = 0 } = decodeJwt<{ endpoints: string[] }>(token);
      return reachableSites(store, endpoints, iat).some((site) => site.endpoints.length > 0);
    },
  };
  for (const site of sites) value(addSite(store, site, it.by()));
  store.urls.adopt(URL, START);
  return it;
}

const STEP_MS = 2_000;

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
}
