import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AuditList, MappingList, MappingView } from "../../shared/rule/api.ts";
import { FIELDS, valueOf, type NamedField } from "../../shared/rule/fields.ts";
import { PLACE_FIELDS } from "../../shared/rule/mapping-fields.ts";
import { ruleFrom } from "../../shared/rule/register-text.ts";
import { testEdge } from "../support/edge.ts";
import { CA_FILE, CERTIFICATE, EXAMPLES, PLACES, type PlaceName } from "../support/mapping-fields.ts";

const PLACE_NAMES = Object.keys(PLACES) as PlaceName[];

test("every field goes in by its option, stands in the API, in `map show` and in every export, and comes back by a rules file", async () => {
  await using edge = await testEdge({ tcp: "8080" });
  for (const site of ["lab", "attic"]) await edge.ok("site", "add", site);
  // Whatever it may own is served.
  await edge.ok("token", "gateway");
  const ca = join(edge.data, "ca.pem");
  await writeFile(ca, CERTIFICATE);
  const words = (fields: readonly NamedField[]): string[] =>
    fields.flatMap(({ name }) => EXAMPLES[name].words.map((word) => (word === CA_FILE ? ca : word)));
  const listed = async (): Promise<MappingView[]> => (await edge.ask<MappingList>("GET", "/mappings")).mappings;

  for (const place of PLACE_NAMES) {
    const { endpoint, site, target } = PLACES[place];
    await edge.ok("map", "add", endpoint, site, target, ...words(fieldsAt(place)));
  }
  const mappings = await listed();
  const exported = new Map<string, string>();
  for (const format of ["md", "csv", "json", "toml"])
    exported.set(format, (await edge.cli(["map", "export", "--format", format])).stdout);
  for (const place of PLACE_NAMES) {
    const { endpoint } = PLACES[place];
    const mapping = mappings.find((each) => each.endpoint === endpoint);
    if (mapping === undefined) throw new Error(`${endpoint} is not listed`);
    const shown = await edge.ok("map", "show", endpoint);
    for (const field of fieldsAt(place)) {
      const { name, title, isHttp } = field;
      expect({ name, value: valueOf(ruleFrom(mapping), field) }).toEqual({ name, value: EXAMPLES[name].value });
      expect({ name, shown }).toEqual({
        name,
        shown: expect.stringMatching(isHttp ? `"${name}":` : `${title} `) as unknown,
      });
      for (const format of ["json", "toml"])
        expect({ name, text: exported.get(format) }).toEqual({ name, text: expect.stringContaining(name) as unknown });
    }
  }

  const file = join(edge.data, "register.toml");
  await writeFile(file, exported.get("toml") ?? "");
  expect(await edge.ok("map", "apply", file)).toBe(`nothing to change, ${PLACE_NAMES.length} unchanged`);
  for (const { endpoint } of mappings) await edge.ask("DELETE", `/mappings/${encodeURIComponent(endpoint)}`);
  await edge.ok("map", "apply", file);
  expect((await listed()).map(ruleFrom)).toEqual(mappings.map(ruleFrom));

  // What each field was and is, in the words of the audit.
  const moved = FIELDS.filter(({ name }) => Object.hasOwn(PLACE_FIELDS, name));
  await edge.ok("map", "edit", "8080/tcp", "--name", "camera", "--no-expires", ...words(moved));
  const { entries } = await edge.ask<AuditList>("GET", "/audit");
  const detail = entries.find(({ action }) => action === "map edit")?.detail ?? "";
  expect(detail).toMatch(
    /^mapping \d+: endpoint: 8080\/tcp -> 8081\/tcp; site: lab -> attic; target: 10\.0\.0\.5:80 -> /,
  );
  expect(detail).toContain("name: shop -> camera; expires: 2099-01-31T18:00:00.000Z -> default");
});

/** The fields that are decided about a mapping at this place. */
function fieldsAt(place: PlaceName): NamedField[] {
  return FIELDS.filter(({ name }) => EXAMPLES[name].at === place && !Object.hasOwn(PLACE_FIELDS, name));
}
