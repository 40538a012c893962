import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import { expect, test } from "vitest";
import type { ApplyAnswer, MappingAnswer, MappingList, MappingView } from "../../shared/rule/api.ts";
import { testEdge } from "../support/edge.ts";

const COUNT = 500;

test("500 rules are applied at once, a second time nothing is done, and a mistake in rule 300 is named by its line", async () => {
  await using edge = await testEdge();
  await edge.ok("site", "add", "lab");
  // Whatever it may own is served.
  await edge.ok("token", "gateway");
  const good = rulesText(() => "");
  const file = join(edge.data, "rules.toml");
  const apply = async (text: string, ...words: string[]) => {
    await writeFile(file, text);
    return edge.cli(["map", "apply", file, ...words]);
  };
  const listed = async (): Promise<MappingView[]> =>
    (await edge.ask<MappingList>("GET", "/mappings?limit=1000")).mappings;

  const plan = await apply(good, "--dry-run", "--json");
  const { changes, unchanged } = JSON.parse(plan.stdout) as ApplyAnswer;
  expect([changes.length, unchanged, (await listed()).length]).toEqual([COUNT, 0, 0]);
  expect(await apply(good)).toMatchObject({ code: 0, stdout: expect.stringContaining(`${COUNT} to add`) as unknown });
  const before = await listed();
  expect(before).toHaveLength(COUNT);
  expect(await apply(good)).toMatchObject({ code: 0, stdout: `nothing to change, ${COUNT} unchanged\n` });
  expect(await listed()).toEqual(before);

  const mistakes: [broken: string, field: string, fault: RegExp][] = [
    ['target = "10.0.0.999:80"', "target", /10\.0\.0\.999/],
    ['target = "10.0.0.1:80"\nonwer = "me"', "onwer", /onwer/],
    // What only the edge can know.
    ['target = "10.0.0.1:80"\nsite = "nowhere"', "site", /no site "nowhere"/],
    ['target = "10.0.0.1:80"\nendpoint = "20010-20012/tcp"', "endpoint", /overlaps|taken|20010/],
  ];
  for (const [broken, field, fault] of mistakes) {
    const text = rulesText((n) => (n === 300 ? broken : ""));
    const head = lineOf(text, 300);
    const line = 1 + text.split("\n").findIndex((each, at) => at >= head && each.startsWith(field));
    const { code, stderr } = await apply(text);
    expect({ broken, code, stderr }).toMatchObject({ code: 3, stderr: expect.stringMatching(fault) as unknown });
    expect(stderr).toContain(`rules.toml:${line}: `);
  }
  expect(await listed()).toEqual(before);

  const changed = rulesText((n) => (n === 300 ? 'target = "10.0.0.77:80"' : ""));
  expect(await apply(changed, "--dry-run")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('    target: "10.0.0.1:80" -> "10.0.0.77:80"\n0 to add, 1 to change') as unknown,
  });
});

const TRICKY = { name: '=1+1, "quoted" | piped', owner: "Zoë <z@x>", note: "a\\b `c` *d* [e](f) ; g" };

test("the register is written down for people, tables and programs, and what is written can be applied again", async () => {
  await using edge = await testEdge({ tcp: "8080-8099" });
  await edge.ok("site", "add", "lab");
  const rules = [
    { endpoint: "8080/tcp", target: "10.0.0.5:80", ...TRICKY, allow: ["203.0.113.0/24", "2001:db8::/32"] },
    { endpoint: "8090-8093/tcp", target: "10.0.0.5:90-93", expires: "2030-01-31T18:00:00.000Z", maxStreams: 5 },
    { endpoint: "http://a.localhost/app", target: "https://10.0.0.6", http: { tlsVerify: false, prefix: "strip" } },
    { endpoint: "lab/ssh", target: "10.0.0.7:22", deny: ["198.51.100.1"] },
  ];
  for (const rule of rules) await edge.ask("POST", "/mappings", { ...rule, site: "lab" });
  const { mappings } = await edge.ask<MappingList>("GET", "/mappings");
  const exported = async (format: string): Promise<string> => edge.ok("map", "export", "--format", format);

  expect(JSON.parse(await exported("json"))).toEqual(mappings);
  const file = join(edge.data, "register.toml");
  const toml = await exported("toml");
  expect((parse(toml)["mapping"] as object[]).length).toBe(rules.length);
  await writeFile(file, toml);
  expect(await edge.ok("map", "apply", file)).toBe(`nothing to change, ${rules.length} unchanged`);
  for (const { endpoint } of mappings) await edge.ask("DELETE", `/mappings/${encodeURIComponent(endpoint)}`);
  await edge.ok("map", "apply", file);
  const again = await edge.ask<MappingList>("GET", "/mappings");
  expect(again.mappings.map(decided)).toEqual(mappings.map(decided));

  const rows = csvRows(await exported("csv"));
  expect(rows.map(([endpoint]) => endpoint)).toEqual(["Endpoint", ...mappings.map(({ endpoint }) => endpoint)]);
  // A spreadsheet must not take it for a formula.
  expect(rows[1]?.slice(3, 6)).toEqual([`'${TRICKY.name}`, TRICKY.owner, TRICKY.note]);
  const lines = (await exported("md")).split("\n").filter((line) => line.startsWith("|"));
  expect(lines).toHaveLength(rules.length + 2);
  // Cells are as many in each row, whatever is in them.
  expect(new Set(lines.map((line) => line.replace(/\\\\|\\\|/g, "").split("|").length)).size).toBe(1);
});

test("of two administrators who change the same at once, one is told to look again", async () => {
  await using edge = await testEdge({ tcp: "8080-8083" });
  await edge.ok("site", "add", "lab");
  const admins = [await edge.ok("token", "admin"), await edge.ok("token", "admin")];
  const rule = { endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80" };
  /** What both are told who ask this at the same moment. */
  const both = async (method: string, path: string, body: (n: number) => object, tag?: string) => {
    const answers = admins.map((token, n) =>
      fetch(`${edge.url}/.sallyport/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(tag === undefined ? {} : { "if-match": tag }) },
        body: JSON.stringify(body(n)),
      }),
    );
    return (await Promise.all(answers)).map(({ status }) => status).toSorted((a, b) => a - b);
  };
  expect(await both("POST", "/mappings", () => rule)).toEqual([201, 409]);
  const { mapping } = await edge.ask<MappingAnswer>("GET", "/mappings/8080%2Ftcp");
  expect(await both("PATCH", "/mappings/8080%2Ftcp", (n) => ({ owner: `admin ${n}` }), mapping.etag)).toEqual([
    200, 412,
  ]);
  const { tag } = await edge.ask<MappingList>("GET", "/mappings");
  const more = (n: number) => ({ mappings: [rule, { ...rule, endpoint: `808${n + 1}/tcp` }] });
  expect(await both("PUT", "/mappings", more, tag)).toEqual([200, 412]);
  const { mappings } = await edge.ask<MappingList>("GET", "/mappings");
  expect(mappings).toHaveLength(2);
  const late = await edge.cli(["map", "edit", "8080/tcp", "--owner", "Ann", "--if-match", mapping.etag]);
  expect(late).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/was changed by admin:\w+ at [^]*read it again/i) as unknown,
  });
});

/** Rules at ports 20001 to 20500, as TOML; `instead` says what is to be in the place of the n-th one's target. */
function rulesText(instead: (n: number) => string): string {
  return Array.from({ length: COUNT }, (_, index) => {
    const n = index + 1;
    const other = instead(n);
    const own = (field: string, text: string): string => (other.includes(`${field} =`) ? "" : `${field} = "${text}"\n`);
    return `[[mapping]]\n${own("endpoint", `${20_000 + n}/tcp`)}${own("site", "lab")}${own("target", "10.0.0.1:80")}${other === "" ? "" : `${other}\n`}name = "rule ${n}"\n`;
  }).join("\n");
}

/** The line, from 0, at which the n-th rule begins. */
function lineOf(text: string, n: number): number {
  const heads = text.split("\n").flatMap((line, at) => (line === "[[mapping]]" ? [at] : []));
  return heads[n - 1] ?? -1;
}

/** What was decided about a rule, without when and by whom. */
function decided({
  id: _id,
  revision: _revision,
  created: _created,
  changed: _changed,
  etag: _etag,
  ...rule
}: MappingView) {
  return rule;
}

/** RFC 4180. */
function csvRows(text: string): string[][] {
  return text
    .split("\r\n")
    .filter((line) => line !== "")
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) =>
        quoted === undefined ? plain : quoted.replaceAll('""', '"'),
      ),
    );
}
