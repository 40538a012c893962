import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { describeMapping } from "../../cli/describe.ts";
import { ruleFields, withRuleOptions, type RuleOptions } from "../../cli/rule-options.ts";
import { EMPTY, formOf, inputOf } from "../../dashboard/form.ts";
import { parseRules } from "../../dashboard/rules-text.ts";
import { auditMapping } from "../../edge/registry/mapping-audit.ts";
import { addSite } from "../../edge/registry/site-changes.ts";
import { Store } from "../../edge/registry/store.ts";
import { PLACE_FIELDS } from "../../shared/rule/mapping-fields.ts";
import { fieldNamed, FIELDS, inputFrom, isDefault, valueOf, type NamedField } from "../../shared/rule/fields.ts";
import { HttpOptionsInput, MappingInput, type MappingDraft } from "../../shared/rule/mapping-input.ts";
import { MappingView } from "../../shared/rule/api.ts";
import { editMapping, parseMapping, parseRule, storedMapping, type Mapping } from "../../shared/rule/mapping.ts";
import { differences } from "../../shared/rule/register.ts";
import { FORMATS, registerText, ruleFrom } from "../../shared/rule/register-text.ts";
import { unwrap } from "../../shared/result.ts";
import { isSameRule } from "../../shared/rule/same-rule.ts";
import { CA_FILE, CERTIFICATE, EXAMPLES, PLACES } from "../support/mapping-fields.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22);
const STAMP = { by: "admin:1", at: NOW };
const ACTOR = { name: "ann", from: "", now: NOW };

const EACH = FIELDS.map((field) => [field.name, field] as const);
/** Fields that `map add` has options for: where a mapping is, it takes as arguments. */
const DECIDED = EACH.filter(([name]) => !Object.hasOwn(PLACE_FIELDS, name));

test("the table, the grammar, the API's answers and the examples of these tests have the same fields", () => {
  const names = FIELDS.map(({ name }) => name).toSorted();
  const own = { id: 0, revision: 0, created: 0, changed: 0, lastUsed: 0, etag: 0, http: 0 };
  const outside = (shape: object): string[] => Object.keys(shape).filter((name) => !Object.hasOwn(own, name));
  expect([...outside(MappingInput.shape), ...outside(HttpOptionsInput.shape)].toSorted()).toEqual(names);
  const http = MappingView.shape.http.unwrap().shape;
  expect([...outside(MappingView.shape), ...outside(http)].toSorted()).toEqual(names);
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(names);
  // A form, a command and the table of names know a field of `http` by its name alone.
  expect(new Set(names).size).toBe(names.length);
  const flags = FIELDS.map(({ flag }) => flag.replace(/^no-/, ""));
  expect(new Set(flags).size).toBe(flags.length);
  for (const field of FIELDS) {
    const { name, at } = { name: field.name, at: EXAMPLES[field.name].at };
    expect({ name, isUsual: isDefault(EXAMPLES[name].value, field), at: PLACES[at] }).toMatchObject({ isUsual: false });
    for (const words of [field.title, field.label, field.help])
      expect({ name, words }).not.toEqual({ name, words: "" });
  }
});

test.each(DECIDED)("`map add` has an option for %s, and without it says nothing of it", (name, field) => {
  const { at, words, value } = EXAMPLES[name];
  const rule = { ...PLACES[at], ...said(words, false) };
  expect(valueOf(unwrap(parseMapping(rule)), field)).toEqual(value);
  expect(said([], false)).toEqual({});
});

test.each(EACH)("`map edit` has an option for %s, and what it has put there can be taken away", (name, field) => {
  const { at, words, value } = EXAMPLES[name];
  const before = unwrap(parseMapping(PLACES[at]));
  const { mapping: after } = unwrap(editMapping(before, said(words, true)));
  expect(valueOf(after, field)).toEqual(value);
  expect(said([], true)).toEqual({});
  const opposite = field.flag.startsWith("no-") ? field.flag.slice(3) : `no-${field.flag}`;
  if (field.undo !== undefined) {
    expect(unwrap(editMapping(after, said([`--${opposite}`], true))).mapping).toEqual(before);
  } else {
    // Words that are the usual value themselves.
    expect(["text", "choice"]).toContain(field.kind);
    const usual = valueOf(before, field);
    expect(unwrap(editMapping(after, said([`--${field.flag}`, String(usual)], true))).mapping).toEqual(before);
  }
});

test.each(EACH)("%s is read again from every export that can be, and stands in all of them", (name, field) => {
  const view = viewOf(example(name));
  const rule = ruleFrom(view);
  for (const format of FORMATS) {
    const text = registerText([view], format, "https://edge.example");
    if (format === "json" || format === "toml") {
      const read = parseRules(text);
      expect({ format, rules: read.ok ? read.rules.map((each) => unwrap(parseMapping(each))) : read.message }).toEqual({
        format,
        rules: [rule],
      });
    } else {
      // A row without the field is another row.
      const { at } = EXAMPLES[name];
      expect({ format, text }).not.toEqual({
        format,
        text: registerText([viewOf(PLACES[at])], format, "https://edge.example"),
      });
    }
  }
  expect(valueOf(rule, field)).toEqual(EXAMPLES[name].value);
});

test("columns of the CSV keep their places, and what is added stands behind the last of them", () => {
  const [titles = ""] = registerText([], "csv", "").split("\r\n");
  expect(titles).toMatch(
    /^Endpoint,Site,Target,Service,Owner,Why,Access,Allowed from,Denied from,Expires,Limits,Last used,Added,Added by,Changed,Changed by,Options,Tags$/,
  );
  const view = viewOf({
    ...example("maxStreams"),
    ...inputFrom([[fieldNamed("bytesPerSecond"), 2048]]),
    onLoss: "hang",
  });
  expect(registerText([view], "csv", "")).toContain(',"7 at once, 2048 bytes/s",');
  expect(registerText([view], "csv", "")).toContain(",on loss hang");
});

test.each(EACH)("`map show` tells %s where it is not as usual, and only there", (name, field) => {
  const { at } = EXAMPLES[name];
  const shown = describeMapping(viewOf(example(name)));
  const usual = describeMapping(viewOf(PLACES[at]));
  expect(shown).not.toBe(usual);
  expect(shown).toMatch(field.isHttp ? new RegExp(`^http .*"${name}":`, "m") : new RegExp(`^${field.title} `, "m"));
  if (field.defaultValue !== undefined) expect(usual).not.toMatch(new RegExp(`^${field.title} `, "m"));
});

test.each(EACH)("the form shows %s and sends what it shows; emptied, it is as usual", (name, field) => {
  const rule = unwrap(parseMapping(example(name)));
  const form = formOf(rule);
  expect(form[name]).not.toBe(formOf(unwrap(parseMapping(PLACES[EXAMPLES[name].at])))[name]);
  expect(unwrap(parseMapping(inputOf(form)))).toEqual(rule);
  if (field.defaultValue === undefined) return;
  const emptied = unwrap(parseMapping(inputOf({ ...form, [name]: EMPTY[name] })));
  expect(valueOf(emptied, field)).toEqual(field.defaultValue);
});

test.each(EACH)("a change of %s is a difference, and is written down in the audit by its name", (name, field) => {
  const { at, value } = EXAMPLES[name];
  const path = field.isHttp ? `http.${name}` : name;
  expect(differences(unwrap(parseMapping(PLACES[at])), unwrap(parseMapping(example(name))))).toMatchObject([
    { field: path },
  ]);
  const store = new Store(sqlStore());
  const before = unwrap(parseMapping(PLACES[at]));
  const { mapping: after } = unwrap(editMapping(before, inputFrom([[field, value]])));
  auditMapping(store, ACTOR, "map edit", { ...after, id: 1, created: STAMP, changed: STAMP, revision: 1 }, before);
  const [entry] = store.journal.audits(1);
  expect(entry?.detail).toMatch(new RegExp(`^mapping 1: ${path.replace(".", "\\.")}: `));
});

test.each(EACH)("what is stored and what relays are told of %s is read as the same rule", (name, field) => {
  const store = new Store(sqlStore());
  addSite(store, "lab", ACTOR);
  addSite(store, "attic", ACTOR);
  for (const input of [PLACES[EXAMPLES[name].at], example(name)]) {
    const rule = unwrap(parseRule(input));
    const { mapping: draft } = rule;
    const { id } = store.mappings.add(rule, STAMP, 1);
    expect(store.mappings.find(draft.endpoint)?.mapping).toMatchObject(draft);
    const site = store.sites.find(draft.site);
    const told = site === undefined ? [] : store.rulesOf(site, NOW).mappings;
    const { mapping } = unwrap(storedMapping(JSON.parse(JSON.stringify(told.at(-1))) as Mapping));
    expect(mapping).toMatchObject(field.later === "register" ? { id } : draft);
    store.mappings.remove(id, NOW);
  }
});

test("versions before can read a rule that says nothing in the fields that they do not know", () => {
  const sql = sqlStore();
  const store = new Store(sql);
  addSite(store, "lab", ACTOR);
  const site = store.sites.find("lab");
  if (site === undefined) throw new Error("no site");
  store.mappings.add(unwrap(parseRule(PLACES.tcp)), STAMP, 1);
  const later = FIELDS.filter((field) => field.later !== undefined).map(({ name }) => name);
  const [row] = sql.sql.exec<{ rule: string }>("SELECT rule FROM mappings").toArray();
  const [told] = store.rulesOf(site, NOW).mappings;
  for (const rule of [JSON.parse(row?.rule ?? "") as object, told ?? {}])
    expect(Object.keys(rule).filter((name) => later.includes(name as NamedField["name"]))).toEqual([]);
});

test.each(EACH)("whether %s is another says of two hosts whether they let the same visitors in", (name, field) => {
  const { at } = EXAMPLES[name];
  const rules = [PLACES[at], example(name)].map((input, index) => ({
    mapping: { ...unwrap(parseMapping(input)), id: index, created: STAMP, changed: STAMP, revision: 1 },
    grants: [],
  }));
  const [a, b] = rules;
  if (a === undefined || b === undefined) throw new Error("two rules");
  expect(isSameRule(a, b)).toBe(field.admits !== true && name !== "access");
});

test.each([...DECIDED].filter(([, { misfit }]) => misfit !== undefined))(
  "%s is refused where it means nothing, by its name",
  (name, field) => {
    const elsewhere = field.fits === "udp" ? PLACES.tcp : PLACES.https;
    expect(parseMapping({ ...elsewhere, ...inputFrom([[field, EXAMPLES[name].value]]) })).toMatchObject({
      error: { path: name, message: `${name}: ${field.misfit}` },
    });
  },
);

test("the OpenAPI document describes every field, in requests and in answers", async () => {
  const { openApi } = (await import(new URL("../../edge/api/openapi.ts", import.meta.url).href)) as {
    openApi: () => { paths: Record<string, Record<string, Operation>> };
  };
  const { paths } = openApi();
  for (const [path, method, status] of [
    ["/mappings", "post", "201"],
    ["/mappings/{endpoint}", "patch", "200"],
  ] as const) {
    const operation = paths[path]?.[method];
    const input = operation?.requestBody.content["application/json"].schema.properties;
    const output = operation?.responses[status]?.content["application/json"].schema.properties["mapping"]?.properties;
    for (const field of FIELDS)
      for (const properties of [input, output])
        expect({ method, name: field.name, isThere: described(properties, field) }).toMatchObject({ isThere: true });
  }
});

type Schema = { properties?: Record<string, Schema>; anyOf?: Schema[] };
type Body = { content: { "application/json": { schema: { properties: Record<string, Schema> } } } };
type Operation = { requestBody: Body; responses: Record<string, Body | undefined> };

function described(properties: Record<string, Schema> | undefined, { name, isHttp }: NamedField): boolean {
  const http = properties?.["http"]?.anyOf?.find((each) => each.properties !== undefined)?.properties;
  return Object.hasOwn((isHttp ? http : properties) ?? {}, name);
}

/** What options of `map add` or `map edit` say, as the API is sent it. */
function said(words: readonly string[], edit: boolean): Record<string, unknown> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  try {
    const file = join(folder, "ca.pem");
    writeFileSync(file, CERTIFICATE);
    const command = withRuleOptions(new Command(), edit).exitOverride();
    command.parse(
      words.map((word) => (word === CA_FILE ? file : word)),
      { from: "user" },
    );
    return ruleFields(command.opts<RuleOptions>(), NOW, edit);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A rule that says something in this field alone. */
function example(name: NamedField["name"]): Record<string, unknown> {
  const { at, value } = EXAMPLES[name];
  return { ...PLACES[at], ...inputFrom([[fieldNamed(name), value]]) };
}

/** A rule as the API answers it. */
function viewOf(input: object): MappingView {
  const rule: MappingDraft = unwrap(parseMapping(input));
  const stamp = { by: STAMP.by, at: new Date(NOW).toISOString() };
  const expires = rule.expires === null ? null : new Date(rule.expires).toISOString();
  return {
    ...rule,
    allow: [...rule.allow],
    deny: [...rule.deny],
    expires,
    id: 1,
    revision: 1,
    created: stamp,
    changed: stamp,
    lastUsed: null,
    etag: '"x"',
  };
}
