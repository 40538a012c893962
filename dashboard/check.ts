import type { MappingView } from "../shared/rule/api.ts";
import { conflict, parseRule, type Mapping } from "../shared/rule/mapping.ts";
import { parsed } from "../shared/rule/parsed.ts";
import { ruleFrom } from "../shared/rule/register-text.ts";
import { warnings } from "../shared/rule/warnings.ts";
import { ApiError } from "./api.ts";
import { inputOf, type Form } from "./form.ts";

/** Result of checking a form, with the parser that the edge and the commands use, before it is sent. */
export type FormCheck =
  | { readonly ok: true; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly field: string; readonly message: string };

/** Checks a form as a mapping. `others`: all other mappings, which it must not conflict with. */
export function checkForm(form: Form, others: readonly MappingView[]): FormCheck {
  const draft = parseRule(inputOf(form));
  if (!draft.ok) return { ok: false, field: fieldOf(draft.error.path), message: withFix(draft.error) };
  for (const other of others) {
    const { id, revision } = other;
    const none = { by: "", at: 0 };
    const mapping: Mapping = { ...ruleFrom(other), id, revision, created: none, changed: none };
    const fault = conflict(draft.value, parsed(mapping));
    if (fault !== undefined) return { ok: false, field: "endpoint", message: fault.message };
  }
  return { ok: true, warnings: warnings(draft.value).map(withFormNames) };
}

/** Returns the form field that an error is about, with the message; undefined if the error names none. */
export function faultOf(error: unknown): { field: string; message: string } | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const field = error.field ?? (error.code === "conflict" || error.code.endsWith("-unserved") ? "endpoint" : undefined);
  if (field === undefined) return undefined;
  return { field: fieldOf(field), message: withFix({ message: error.message, fix: error.fix }) };
}

/** Maps a path in a mapping, such as `http.ca` or `allow.0`, to the name of its form field (`ca`, `allow`). */
function fieldOf(path: string | undefined): string {
  const [first = "", second = ""] = (path ?? "").split(".");
  return first === "http" && second !== "" ? second : first;
}

/** Removes the field's name from a message, because the form shows the message beside the field, and appends the fix. */
function withFix({ message, fix = "" }: { message: string; fix?: string | undefined }): string {
  const [, rest = ""] = /^[\w.]+: (.*)/s.exec(message) ?? ["", message];
  return fix === "" ? rest : `${rest} ${fix}`;
}

/** Replaces command-line options in a warning with the labels of the form. */
export function withFormNames(warning: string): string {
  return warning.replace("--allow-from", "“Open to”").replace("--access token", "access by token");
}
