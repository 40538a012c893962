import * as fc from "fast-check";
import * as z from "zod";

/** As much of JSON Schema as the API's document uses. */
export type Schema = {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
  enum?: unknown[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
};

/** Words that make sense for a field of this name: a schema says that it is text, and a grammar reads it. */
export type Words = Readonly<Record<string, readonly unknown[]>>;

/** Values of a schema; texts of known fields are mostly words that make sense there. */
export function valuesOf(schema: Schema, words: Words, field = ""): fc.Arbitrary<unknown> {
  const known = words[field];
  if (known !== undefined && schema.type !== "object" && schema.type !== "array")
    return fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...known) },
      { weight: 1, arbitrary: plain(schema, words) },
    );
  return plain(schema, words, field);
}

function plain(schema: Schema, words: Words, field = ""): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((each) => valuesOf(each, words, field)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "object": {
      const { properties = {}, required = [] } = schema;
      const members = Object.entries(properties).map(([name, each]) => [name, valuesOf(each, words, name)] as const);
      return fc.record(Object.fromEntries(members), { requiredKeys: required });
    }
    case "array": {
      const { minItems = 0, maxItems = 4 } = schema;
      const limits = { minLength: minItems, maxLength: Math.max(minItems, Math.min(4, maxItems)) };
      return fc.array(valuesOf(schema.items ?? {}, words, field), limits);
    }
    case "string":
      return texts(schema);
    case "integer":
    case "number": {
      const min = schema.minimum ?? (schema.exclusiveMinimum === undefined ? -1e9 : schema.exclusiveMinimum + 1);
      const max = schema.maximum ?? (schema.exclusiveMaximum === undefined ? 1e12 : schema.exclusiveMaximum - 1);
      return fc.maxSafeInteger().map((value) => min + (Math.abs(value) % (Math.min(max, min + 1e6) - min + 1)));
    }
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default:
      return fc.jsonValue();
  }
}

function texts({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (format === "date-time")
    return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString());
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ unit: "binary", minLength, maxLength: Math.min(40, maxLength) });
}

/** Something that is no value of the schema any more, or was never JSON; as text. */
export function broken(schema: Schema, words: Words): fc.Arbitrary<string> {
  const values = valuesOf(schema, words).map((value) => value as Record<string, unknown>);
  return fc.oneof(
    fc.constantFrom("", "{", "null", "[]", '"x"', "1e999", "{}".repeat(2), "[".repeat(10_000)),
    values.map((value) => JSON.stringify({ ...value, ["x".repeat(40)]: 1 })),
    fc.tuple(values, fc.jsonValue(), fc.nat()).map(([value, other, at]) => {
      const names = Object.keys(value);
      const name = names[at % Math.max(1, names.length)] ?? "x";
      return JSON.stringify({ ...value, [name]: { "not this": other } });
    }),
    fc.tuple(values, fc.nat()).map(([value, at]) => {
      const { required: [...required] = [] } = schema;
      const name = required[at % Math.max(1, required.length)] ?? "";
      return JSON.stringify(Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)));
    }),
  );
}

/** What is wrong with a value by a schema that leaves no room for members it does not name; "" when nothing is. */
export function complaint(schema: Schema, value: unknown): string {
  const parsed = z.fromJSONSchema(closed(schema) as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value);
  return parsed.success ? "" : z.prettifyError(parsed.error);
}

function closed(schema: Schema): Schema {
  const { properties, items, anyOf, oneOf } = schema;
  return {
    ...schema,
    ...(properties === undefined
      ? {}
      : {
          additionalProperties: false,
          properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, closed(each)])),
        }),
    ...(items === undefined ? {} : { items: closed(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(closed) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(closed) }),
  };
}
