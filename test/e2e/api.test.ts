import { expect, test } from "vitest";
import { readFile } from "node:fs/promises";
import { testEdge } from "../support/edge.ts";

type Schema = {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
  enum?: unknown[];
};
type Operation = {
  parameters?: { name: string; in: "path" | "query" | "header"; required?: boolean; schema: Schema }[];
  requestBody?: { content: { "application/json": { schema: Schema } } };
  responses: Record<string, unknown>;
};
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

const NASTY: readonly unknown[] = [
  "",
  "8080/tcp",
  "lab",
  "../..",
  "%00",
  "\u202e",
  "x".repeat(5_000),
  0,
  -1,
  1e300,
  null,
  true,
  [],
  [1],
  {},
  { a: 1 },
  "2027-01-31T18:00:00Z",
  "admin",
  "' OR 1=1 --",
  "::ffff:1.2.3.4",
];

test("the OpenAPI document describes every answer of the live API, and nothing in it makes a 500", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  await edge.ok("site", "add", "lab");
  await edge.ok("map", "add", "8080/tcp", "lab", "10.0.0.5:80");
  const token = await tokenOf(edge.data);
  const document = (await (await edge.api("GET", "/openapi.json", null)).json()) as Document;
  expect(document.openapi).toBe("3.1.0");
  const wrong: unknown[] = [];
  let asked = 0;
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      for (const [turn, nasty] of NASTY.entries()) {
        const fill = (name: string, offset: number): string => wordOf(NASTY[(turn + offset) % NASTY.length] ?? name);
        const url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(fill(name, 0)) || "x");
        const query = new URLSearchParams(
          (operation.parameters ?? [])
            .filter((each) => each.in === "query")
            .map((each, index) => [each.name, fill(each.name, index)]),
        );
        const schema = operation.requestBody?.content["application/json"].schema;
        const body = schema === undefined ? undefined : sample(schema, turn);
        const verb = method.toUpperCase();
        const response = await edge.api(
          verb,
          `${url}?${query.toString()}`,
          token,
          turn === 0 && schema !== undefined ? nasty : body,
        );
        asked += 1;
        const declared =
          String(response.status) in operation.responses ||
          response.headers.get("content-type") === "application/problem+json";
        if (response.status >= 500 || !declared) wrong.push([verb, url, response.status, await response.text()]);
        else await response.body?.cancel();
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(asked).toBeGreaterThan(200);
});

test("a page goes on where the last one ended", async () => {
  await using edge = await testEdge({ tcp: "8080-8084" });
  await edge.ok("site", "add", "lab");
  for (const port of [8080, 8081, 8082, 8083, 8084]) await edge.ok("map", "add", `${port}/tcp`, "lab", "10.0.0.5:80");
  const token = await tokenOf(edge.data);
  const seen: string[] = [];
  for (let after: string | null = ""; after !== null;) {
    const response = await edge.api("GET", `/mappings?limit=2${after === "" ? "" : `&after=${after}`}`, token);
    const page = (await response.json()) as { mappings: { endpoint: string }[]; next: string | null };
    seen.push(...page.mappings.map(({ endpoint }) => endpoint));
    after = page.next;
  }
  expect(seen).toEqual(["8080/tcp", "8081/tcp", "8082/tcp", "8083/tcp", "8084/tcp"]);
  const audit = await edge.json<{ action: string }[]>("audit", "--action", "map", "--limit", "3");
  expect(audit.map(({ action }) => action)).toEqual(["map add", "map add", "map add"]);
});

/** Some value for a schema: nasty ones where it leaves room. */
function sample(schema: Schema, turn: number): unknown {
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice !== undefined) return sample(choice[turn % choice.length] ?? {}, turn);
  if (schema.const !== undefined) return schema.const;
  if (schema.properties !== undefined) {
    return Object.fromEntries(
      Object.entries(schema.properties).map(([name, each], index) => [
        name,
        each.const ?? NASTY[(turn + index) % NASTY.length],
      ]),
    );
  }
  return NASTY[turn % NASTY.length];
}

/** A value as it may stand in a URL. */
function wordOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The token of the login that the edge was given. */
async function tokenOf(data: string): Promise<string> {
  const { logins, current } = JSON.parse(await readFile(`${data}/../config/logins.json`, "utf8")) as {
    current: string;
    logins: Record<string, { token: string }>;
  };
  return logins[current]?.token ?? "";
}
