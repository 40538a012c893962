import { FIELDS, inputFrom, valueOf, type FieldName, type NamedField, type NameOf } from "../shared/rule/fields.ts";
import type { MappingDraft } from "../shared/rule/mapping-input.ts";

/** A mapping's fields as form values: text, or true and false for checkboxes. */
export type Form = { readonly [Name in FieldName]: Name extends NameOf<"switch"> ? boolean : string };

export const EMPTY: Form = formFrom((field) => field.defaultValue);

/** Converts a rule to form values. */
export function formOf(rule: MappingDraft): Form {
  return formFrom((field) => valueOf(rule, field) ?? field.defaultValue);
}

/** Converts form values to input for `parseMapping` and the API. Every field is included, so that an emptied one gets its default. */
export function inputOf(form: Form): Record<string, unknown> {
  const isHttp = /^https?:/i.test(form.endpoint.trim());
  const fields = FIELDS.filter((field) => isHttp || !field.isHttp);
  return { http: null, ...inputFrom(fields.map((field) => [field, fromControl(field, form[field.name])])) };
}

function formFrom(value: (field: NamedField) => unknown): Form {
  return Object.fromEntries(FIELDS.map((field) => [field.name, toControl(field, value(field))])) as Form;
}

/** Converts a field's value to the value of its control. */
function toControl({ kind }: NamedField, value: unknown): string | boolean {
  switch (kind) {
    case "switch":
      return value === true;
    case "list":
      return (value as readonly string[]).join("\n");
    case "moment":
      return value === null ? "" : localTime(value as number);
    case "text":
    case "choice":
    case "number":
    case "pem":
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
  }
}

/** Converts a control's value to input. An empty one means the default, if there is one. */
function fromControl({ kind, defaultValue }: NamedField, typed: string | boolean): unknown {
  if (typeof typed === "boolean") return typed;
  const isEmpty = typed.trim() === "";
  switch (kind) {
    case "text":
      return isEmpty && defaultValue !== undefined ? defaultValue : typed.trim();
    case "list":
      return typed.split(/[\s,]+/).filter(Boolean);
    case "moment":
      return isEmpty ? defaultValue : new Date(typed).toISOString();
    case "number":
      return isEmpty ? defaultValue : Number(typed);
    case "choice":
    case "pem":
    case "switch":
      return isEmpty ? defaultValue : typed;
  }
}

/** Formats a time, in milliseconds since 1970, for `<input type="datetime-local">`. */
function localTime(ms: number): string {
  const minutes = new Date(ms).getTimezoneOffset();
  return new Date(ms - minutes * 60_000).toISOString().slice(0, 16);
}
