import { readFile } from "node:fs/promises";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { testEdge, type TestEdge } from "../support/edge.ts";
import { broken, complaint, valuesOf, type Schema, type Words } from "../support/json-schema.ts";
import { testSite } from "../support/site.ts";
import { ANYWHERE } from "../support/targets.ts";

type Content = { content: Record<string, { schema: Schema }> };
type Operation = {
  parameters?: { name: string; in: "path" | "query" | "header"; required?: boolean; schema: Schema }[];
  requestBody?: { content: { "application/json": { schema: Schema } } };
  responses: Record<string, Content>;
};
type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { Problem: Schema } };
};

/** What is asked of one operation: words for its path and query, and a body as text. */
type Asked = { path: Record<string, string>; query: Record<string, unknown>; body: string | undefined };

const ROUNDS = 5;
const EACH = 3;

/** One good request for each operation that needs words, in an order in which all of them are answered. */
const GOOD: readonly [operation: string, words: Record<string, string>, body?: object][] = [
  ["get /sites", {}],
  ["post /sites", {}, { name: "old" }],
  ["delete /sites/{name}", { name: "old" }],
  ["post /mappings", {}, { endpoint: "8085/tcp", site: "lab", target: "127.0.0.1:9" }],
  ["post /mappings", {}, { endpoint: "http://c.localhost:8787", site: "lab", target: "http://127.0.0.1:9", note: "é" }],
  ["get /mappings", {}],
  ["get /mappings/{endpoint}", { endpoint: "8085/tcp" }],
  ["patch /mappings/{endpoint}", { endpoint: "8085/tcp" }, { owner: "Ann", expires: "2030-01-31T18:00:00Z" }],
  ["put /mappings", {}, { mappings: [{ endpoint: "8085/tcp", site: "lab", target: "127.0.0.1:8" }], dryRun: true }],
  ["post /grants", {}, { endpoints: ["8085/tcp"], life: 60 }],
  ["get /grants", {}],
  ["delete /grants/{id}", {}],
  ["get /test", { endpoint: "8085/tcp" }],
  ["put /expose", {}, { endpoint: "lab/adhoc", target: "127.0.0.1:9" }],
  ["delete /expose/{endpoint}", { endpoint: "lab/adhoc" }],
  ["delete /mappings/{endpoint}", { endpoint: "8085/tcp" }],
  ["post /tokens", {}, { kind: "visitor", endpoints: ["lab/*"], caps: { bytes: 5 } }],
  ["get /tokens", {}],
  ["delete /tokens/{jti}", {}],
  ["post /keys", {}],
  ["get /keys", {}],
  ["post /revocations", {}, { tokens: ["nosuch"], keys: [], grants: [] }],
  ["get /status", {}],
  ["get /log", {}],
  ["get /audit", {}],
  ["get /usage", {}],
];

test("whatever is asked of any operation, the answer is what the OpenAPI document says, and never a 500", async () => {
  await using site = await testSite({ tcp: "8080-8099" });
  const { edge } = site;
  const secret = (await readFile(edge.secretFile, "utf8")).trim();
  const agent = await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE, "--publish", "lab/*");
  const document = (await (await edge.api("GET", "/openapi.json", null)).json()) as Document;
  expect(document.openapi).toBe("3.1.0");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const wrong: unknown[] = [];
  const answered = new Map(operations.map(({ path, method }) => [`${method} ${path}`, 0]));

  const ask = async (
    { path, method, operation }: (typeof operations)[number],
    { path: words, query, body }: Asked,
    token: string | null,
  ): Promise<void> => {
    const at = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(words[name] ?? ""));
    const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    const response = await fetch(`${edge.url}/.sallyport/api/v1${at}?${search.toString()}`, {
      method: method.toUpperCase(),
      // A connection of its own: workerd may close an idle one just as the next request is sent on it.
      headers: { connection: "close", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const declared = operation.responses[String(response.status)];
    const schema = declared?.content["application/json"]?.schema ?? document.components.schemas.Problem;
    const type = declared === undefined ? "application/problem+json" : "application/json";
    const trouble = response.status >= 500 ? "broken" : complaint(schema, JSON.parse(text));
    if (declared !== undefined) answered.set(`${method} ${path}`, (answered.get(`${method} ${path}`) ?? 0) + 1);
    if (trouble !== "" || response.headers.get("content-type")?.split(";")[0] !== type)
      wrong.push([method, at, search.toString(), body?.slice(0, 500), response.status, trouble, text.slice(0, 1_000)]);
  };

  let seed = 0;
  const admin = await edge.ok("token", "admin");
  const login = operations.find(({ path }) => path === "/login");
  // Those of browsers (test/e2e/dashboard.test.ts) are for those who come with a cookie, or with a WebSocket.
  const browsers = new Set(["post /session", "delete /session", "get /live"]);
  const others = operations.filter(({ path, method }) => path !== "/login" && !browsers.has(`${method} ${path}`));
  for (const [name, given, body] of GOOD) {
    const operation = operations.find(({ path, method }) => `${method} ${path}` === name);
    if (operation === undefined) throw new Error(`there is no ${name}`);
    const found = await wordsOf(edge, admin);
    const words = { id: String(found["id"]?.[0]), jti: String(found["jti"]?.[0]), ...given };
    const query = name === "get /test" ? given : {};
    const text = body === undefined ? undefined : JSON.stringify(body);
    await ask(operation, { path: words, query, body: text }, operation.path.startsWith("/expose") ? agent : admin);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    // What it withdraws and revokes may be what it asks with.
    const entered = await edge.api("POST", "/login", null, { secret });
    const { token } = (await entered.json()) as { token: string };
    const words = await wordsOf(edge, token);
    const order = fc.sample(fc.shuffledSubarray(others, { minLength: others.length }), { numRuns: EACH, seed: round });
    for (const operation of order.flat()) {
      const [asked] = fc.sample(askedOf(operation.operation, words), { numRuns: 1, seed: (seed += 1) });
      if (asked === undefined) continue;
      await ask(operation, asked, operation.path.startsWith("/expose") ? agent : token);
    }
  }
  const withdraw = operations.find(({ path, method }) => path === "/keys/{kid}" && method === "delete");
  const last = (await (await edge.api("POST", "/login", null, { secret })).json()) as { token: string };
  await edge.api("POST", "/keys", last.token);
  const { keys } = (await (await edge.api("GET", "/keys", last.token)).json()) as { keys: { kid: string }[] };
  const kid = keys.at(-1)?.kid ?? "";
  if (withdraw !== undefined) await ask(withdraw, { path: { kid }, query: {}, body: undefined }, last.token);
  if (login !== undefined) await ask(login, { path: {}, query: {}, body: JSON.stringify({ secret }) }, null);
  // Wrong secrets make others wait.
  const secrets = { secret: [secret, "wrong"], url: [edge.url], life: [60] };
  for (const asked of fc.sample(login === undefined ? fc.constant(undefined) : askedOf(login.operation, secrets), {
    numRuns: 20,
    seed,
  })) {
    if (login !== undefined && asked !== undefined) await ask(login, asked, null);
  }
  expect(wrong).toEqual([]);
  // Every schema of an answer has been looked at.
  // An archive is taken by an empty edge alone (test/system/archive.test.ts).
  const elsewhere = new Set([...browsers, "post /archive"]);
  expect([...answered].filter(([name, times]) => times === 0 && !elsewhere.has(name))).toEqual([]);
});

/** Words that are there, or could be. */
async function wordsOf(edge: TestEdge, token: string): Promise<Words> {
  const listed = async <T>(path: string): Promise<T> => (await (await edge.api("GET", path, token)).json()) as T;
  const { tokens } = await listed<{ tokens: { jti: string; kind: string }[] }>("/tokens");
  const { keys } = await listed<{ keys: { kid: string }[] }>("/keys");
  const { grants } = await listed<{ grants: { id: string }[] }>("/grants");
  const endpoints = [
    "8080/tcp",
    "8081/tcp",
    "8090-8093/tcp",
    "lab/ssh",
    "http://a.localhost:8787",
    "http://b.localhost",
  ];
  return {
    endpoint: endpoints,
    endpoints: endpoints.slice(0, 2),
    publish: ["lab/*", "8080/tcp"],
    bind: ["0.0.0.0", "127.0.0.1"],
    site: ["lab", "lab", "lab", "spare"],
    name: ["spare", "more", "y".repeat(100)],
    target: ["127.0.0.1:9", "127.0.0.1:9-12", "http://127.0.0.1:9", "10.0.0.5:80"],
    targets: ["10.0.0.0/8:80", "127.0.0.0/8:1-65535"],
    allow: ["203.0.113.0/24", "::/0"],
    deny: ["198.51.100.1"],
    from: ["203.0.113.9", "::1"],
    visitor: ["127.0.0.0/8", "::1"],
    life: [3600, 86_400],
    limit: [1, 2, 1000],
    after: ["1", "lab"],
    before: [5, 1],
    action: ["map", "token"],
    jti: [...tokens.filter(({ kind }) => kind === "visitor").map(({ jti }) => jti), "none"],
    kid: [...keys.slice(1).map(({ kid }) => kid), "none"],
    id: [...grants.map(({ id }) => id), "none"],
    expires: [null, "2030-01-31T18:00:00Z"],
    http: [null],
    ca: [null],
    sni: [null],
    proxyProtocol: [null],
    onLoss: ["close"],
    idleSeconds: [null],
    reflectorOk: [false],
    access: ["public", "token"],
    mappings: [{ endpoint: "8080/tcp", site: "lab", target: "127.0.0.1:9" }],
    dryRun: [true],
  };
}

/** Requests of an operation: four of five by its schemas, the others with a body that is none. */
function askedOf({ parameters = [], requestBody }: Operation, words: Words): fc.Arbitrary<Asked> {
  const inPath = parameters.filter((each) => each.in === "path");
  const inQuery = parameters.filter((each) => each.in === "query");
  const schema = requestBody?.content["application/json"].schema;
  const body =
    schema === undefined
      ? fc.constant(undefined)
      : fc.oneof(
          { weight: 4, arbitrary: valuesOf(schema, words).map((value) => JSON.stringify(value)) },
          { weight: 1, arbitrary: broken(schema, words) },
        );
  return fc.record({
    path: fc.record(
      Object.fromEntries(
        inPath.map(({ name }) => [name, valuesOf({ type: "string", minLength: 1 }, words, name).map(String)]),
      ),
    ),
    query: fc.record(Object.fromEntries(inQuery.map(({ name, schema: each }) => [name, valuesOf(each, words, name)])), {
      requiredKeys: inQuery.filter(({ required }) => required === true).map(({ name }) => name),
    }),
    body,
  });
}

test("pages of every list join up, and a page goes on where the last one ended", async () => {
  await using edge = await testEdge({ tcp: "8080-8084" });
  const ports = ["8080/tcp", "8081/tcp", "8082/tcp", "8083/tcp", "8084/tcp"];
  const token = edge.adminToken;
  const make = async (path: string, body: object): Promise<void> => {
    expect((await edge.api("POST", path, token, body)).status).toBe(201);
  };
  for (const name of ["a", "b", "c", "d", "e"]) await make("/sites", { name });
  for (const endpoint of ports) await make("/mappings", { endpoint, site: "a", target: "10.0.0.5:80" });
  for (const endpoint of ports) await make("/grants", { endpoints: [endpoint], life: 3600 });
  for (const endpoint of ports) await make("/tokens", { kind: "visitor", endpoints: [endpoint] });
  const pages = async <T>(path: string, name: string, by: "after" | "before"): Promise<T[][]> => {
    const found: T[][] = [];
    for (let at: string | number | null = ""; at !== null;) {
      const response = await edge.api("GET", `${path}?limit=2${at === "" ? "" : `&${by}=${at}`}`, token);
      const page = (await response.json()) as Record<string, T[]> & { next: string | number | null };
      found.push(page[name] ?? []);
      at = page.next;
    }
    return found;
  };
  const sizes = (found: readonly unknown[][]): number[] => found.map((page) => page.length);
  const mappings = await pages<{ endpoint: string }>("/mappings", "mappings", "after");
  expect(mappings.flat().map(({ endpoint }) => endpoint)).toEqual(ports);
  const sites = await pages<{ name: string }>("/sites", "sites", "after");
  expect(sites.flat().map(({ name }) => name)).toEqual(["a", "b", "c", "d", "e"]);
  const grants = await pages<{ endpoints: string[] }>("/grants", "grants", "after");
  // Those of one moment are in no order.
  expect(
    grants
      .flat()
      .flatMap(({ endpoints }) => endpoints)
      .toSorted(),
  ).toEqual(ports);
  const tokens = await pages<{ scope: string[]; kind: string }>("/tokens", "tokens", "after");
  expect(
    tokens
      .flat()
      .flatMap(({ scope, kind }) => (kind === "visitor" ? scope : []))
      .toSorted(),
  ).toEqual(ports);
  expect([mappings, sites, grants].map(sizes)).toEqual([
    [2, 2, 1],
    [2, 2, 1],
    [2, 2, 1],
  ]);
  const audit = await pages<{ n: number; from: string }>("/audit", "entries", "before");
  const numbers = audit.toReversed().flatMap((page) => page.map(({ n }) => n));
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
  expect(new Set(audit.flat().map(({ from }) => from))).toEqual(new Set(["127.0.0.1"]));
  expect((await edge.json<{ action: string }[]>("audit", "--action", "map", "--limit", "3")).length).toBe(3);
});
