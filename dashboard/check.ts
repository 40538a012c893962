import type { MappingView } from "../shared/rule/api.ts";
import { conflict, parseRule, type Mapping } from "../shared/rule/mapping.ts";
import { parsed } from "../shared/rule/parsed.ts";
import { ruleFrom } from "../shared/rule/register-text.ts";
import { warnings } from "../shared/rule/warnings.ts";
import { ApiError } from "./api.ts";
import { inputOf, type Form } from "./form.ts";

/** What the grammar that the edge and the commands share says of a form, before anything is sent. */
export type FormCheck =
  | { readonly ok: true; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly field: string; readonly message: string };

/** `others`: the mappings that it has to stand beside. */
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

/** Which field of the form a refusal is about, if it says. */
export function faultOf(error: unknown): { field: string; message: string } | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const field = error.field ?? (error.code === "conflict" || error.code.endsWith("-unserved") ? "endpoint" : undefined);
  if (field === undefined) return undefined;
  return { field: fieldOf(field), message: withFix({ message: error.message, fix: error.fix }) };
}

/** `http.ca` and `allow.0` are fields of the form by another name. */
function fieldOf(path: string | undefined): string {
  const [first = "", second = ""] = (path ?? "").split(".");
  return first === "http" && second !== "" ? second : first;
}

/** The form shows a fault beside its field, which need not be named again. */
function withFix({ message, fix = "" }: { message: string; fix?: string | undefined }): string {
  const [, rest = ""] = /^[\w.]+: (.*)/s.exec(message) ?? ["", message];
  return fix === "" ? rest : `${rest} ${fix}`;
}

/** Options of the commands by the names that the form has for them. */
export function withFormNames(warning: string): string {
  return warning.replace("--allow-from", "“Open to”").replace("--access token", "access by token");
}
