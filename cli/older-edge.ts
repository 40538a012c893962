import { Refusal } from "../link/api.ts";
import { FIELDS } from "../shared/rule/fields.ts";

/** Explains the refusal of a field that this program knows and an edge of an earlier version does not. Returns other errors as they are. */
export function explainOlderEdge(error: unknown): unknown {
  if (!(error instanceof Refusal) || !/\bUnrecognized key/.test(error.message)) return error;
  const field = FIELDS.find(({ name, isHttp }) => error.field === (isHttp ? `http.${name}` : name));
  if (field === undefined) return error;
  const { code, entry } = error;
  return new Refusal(error.exit, {
    code,
    detail: `the edge is of an earlier version, whose mappings have no field ${error.field} (${field.title})`,
    fix: `update the edge, or leave out --${field.flag} (in a rules file: ${field.name})`,
    ...(entry === undefined ? {} : { entry }),
    ...(error.field === undefined ? {} : { field: error.field }),
  });
}
