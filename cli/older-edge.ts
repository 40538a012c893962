import { Refusal } from "../link/api.ts";
import { FIELDS } from "../shared/rule/fields.ts";

/** Explains the refusal of a field that this program knows: the edge is of a version before. Other errors stay as they are. */
export function explainOlderEdge(error: unknown): unknown {
  if (!(error instanceof Refusal) || !/\bUnrecognized key/.test(error.message)) return error;
  const field = FIELDS.find(({ name, isHttp }) => error.field === (isHttp ? `http.${name}` : name));
  if (field === undefined) return error;
  const { code, entry } = error;
  return new Refusal(error.exit, {
    code,
    detail: `the edge is of an earlier version, which has no ${error.field} (${field.title}) in its mappings`,
    fix: `update the edge, or leave it out: --${field.flag} of a command, ${field.name} in a file`,
    ...(entry === undefined ? {} : { entry }),
    ...(error.field === undefined ? {} : { field: error.field }),
  });
}
