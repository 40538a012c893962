import type { Endpoint } from "../address/endpoint.ts";
import { appliesTo, type Field } from "./field.ts";
import { COMMON_FIELDS, HTTP_FIELDS, PLACE_FIELDS, PORT_FIELDS } from "./mapping-fields.ts";

// Helpers for loops over the tables of mapping-fields.ts.

const TABLE = { ...PLACE_FIELDS, ...COMMON_FIELDS, ...PORT_FIELDS, ...HTTP_FIELDS };
type Table = typeof TABLE;

/** No field of `http` has the name of another field, so one name is enough for both. */
export type FieldName = keyof Table;

/** The names of all fields of some kinds. */
export type NameOf<Kind extends Field["kind"]> = {
  [Name in FieldName]: Table[Name]["kind"] extends Kind ? Name : never;
}[FieldName];

/** A field with what follows from the table. */
export type NamedField = Field & {
  readonly name: FieldName;
  readonly isHttp: boolean;
  /** The value if the field is absent; undefined if it is required, or if the endpoint decides. */
  readonly defaultValue: unknown;
};

/** All fields, those of `http` last. */
export const FIELDS: readonly NamedField[] = Object.entries<Field>(TABLE).map(([name, field]) => {
  const parsed = field.schema.safeParse(undefined);
  return {
    ...field,
    name: name as FieldName,
    isHttp: Object.hasOwn(HTTP_FIELDS, name),
    defaultValue: parsed.success ? parsed.data : undefined,
  };
});

export function fieldNamed(name: FieldName): NamedField {
  const field = FIELDS.find((each) => each.name === name);
  if (field === undefined) throw new Error(`the table has no field ${name}`);
  return field;
}

/** A rule of any origin: a draft, an answer of the API, maybe of another version, or what was typed. */
type AnyRule = { readonly http?: object | null | undefined };

/** The value of a field in a rule; undefined where there is none. */
export function valueOf(rule: AnyRule, { name, isHttp }: NamedField): unknown {
  const fields = isHttp ? (rule.http ?? {}) : rule;
  return (fields as Partial<Record<FieldName, unknown>>)[name];
}

/** Whether a field is absent or has its default. */
export function isDefault(value: unknown, { defaultValue }: NamedField): boolean {
  return value === undefined || JSON.stringify(value) === JSON.stringify(defaultValue);
}

/** Values of fields as input has them: those of `http` in an object of their own. What is undefined is left out. */
export function inputFrom(values: readonly (readonly [NamedField, unknown])[]): Record<string, unknown> {
  const given = values.filter(([, value]) => value !== undefined);
  const named = (isHttp: boolean): [string, unknown][] =>
    given.filter(([field]) => field.isHttp === isHttp).map(([{ name }, value]) => [name, value]);
  const http = named(true);
  return { ...Object.fromEntries(named(false)), ...(http.length === 0 ? {} : { http: Object.fromEntries(http) }) };
}

/** The first field that says something and means nothing at this endpoint; those of `http` aside, which depend on each other. */
export function misfitOf(rule: AnyRule, endpoint: Endpoint, target: string): NamedField | undefined {
  return FIELDS.find(
    (field) =>
      field.misfit !== undefined && !isDefault(valueOf(rule, field), field) && !appliesTo(field, endpoint, target),
  );
}

/** A rule as it is stored: fields that versions before refuse are in it only where they say something. */
export function storedRule<Rule extends AnyRule>(rule: Rule): Rule {
  return without(rule, (field) => field.later !== undefined && isDefault(valueOf(rule, field), field));
}

/** Returns a mapping as its relay gets it: as stored, without the fields that relays don't use. */
export function mappingForRelay<Rule extends AnyRule>(mapping: Rule): Rule {
  return without(storedRule(mapping), (field) => field.later === "register");
}

/** Writes a value for people: lists with `separator`, certificates by their number. */
export function textOf(value: unknown, { kind }: NamedField, separator: string): string {
  if (value === undefined || value === null) return "";
  switch (kind) {
    case "text":
    case "choice":
    case "number":
    case "moment":
      return typeof value === "string" ? value : JSON.stringify(value);
    case "list":
      return (value as readonly string[]).join(separator);
    case "switch":
      return value === true ? "yes" : "no";
    case "pem":
      return String((value as string).split("-----BEGIN CERTIFICATE-----").length - 1);
  }
}

function without<Rule extends AnyRule>(rule: Rule, isLeftOut: (field: NamedField) => boolean): Rule {
  const names = new Set<string>(FIELDS.filter((field) => !field.isHttp && isLeftOut(field)).map(({ name }) => name));
  return Object.fromEntries(Object.entries(rule).filter(([name]) => !names.has(name))) as Rule;
}
