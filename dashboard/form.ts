import { FIELDS, inputFrom, valueOf, type FieldName, type NamedField, type NameOf } from "../shared/rule/fields.ts";
import type { MappingDraft } from "../shared/rule/mapping-input.ts";

/** The fields of a mapping as a form has them: what people type and tick. */
export type Form = { readonly [Name in FieldName]: Name extends NameOf<"switch"> ? boolean : string };

export const EMPTY: Form = formFrom((field) => field.usual);

/** A rule as a form. */
export function formOf(rule: MappingDraft): Form {
  return formFrom((field) => valueOf(rule, field) ?? field.usual);
}

/** What was typed, for `parseMapping` and for the API: every field is fields, so that an emptied one goes back to its default. */
export function inputOf(form: Form): Record<string, unknown> {
  const isHttp = /^https?:/i.test(form.endpoint.trim());
  const fields = FIELDS.filter((field) => isHttp || !field.isHttp);
  return { http: null, ...inputFrom(fields.map((field) => [field, fromControl(field, form[field.name])])) };
}

function formFrom(value: (field: NamedField) => unknown): Form {
  return Object.fromEntries(FIELDS.map((field) => [field.name, toControl(field, value(field))])) as Form;
}

/** A value as the control of its field has it. */
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

/** What the control of a field has, as input: an empty one stands for the usual value, if there is one. */
function fromControl({ kind, usual }: NamedField, typed: string | boolean): unknown {
  if (typeof typed === "boolean") return typed;
  const isEmpty = typed.trim() === "";
  switch (kind) {
    case "text":
      return isEmpty && usual !== undefined ? usual : typed.trim();
    case "list":
      return typed.split(/[\s,]+/).filter(Boolean);
    case "moment":
      return isEmpty ? usual : new Date(typed).toISOString();
    case "number":
      return isEmpty ? usual : Number(typed);
    case "choice":
    case "pem":
    case "switch":
      return isEmpty ? usual : typed;
  }
}

/** A moment as `<input type="datetime-local">` takes it. */
function localTime(ms: number): string {
  const minutes = new Date(ms).getTimezoneOffset();
  return new Date(ms - minutes * 60_000).toISOString().slice(0, 16);
}
