import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { MappingAnswer, MappingView, SiteStatus } from "../../shared/rule/api.ts";
import type { FieldName } from "../../shared/rule/fields.ts";
import { ruleFrom } from "../../shared/rule/register-text.ts";
import { call, mappingPath } from "../api.ts";
import { checkForm, faultOf } from "../check.ts";
import { EMPTY, formOf, inputOf, type Form } from "../form.ts";
import { refresh } from "../load.ts";
import { Fault } from "../parts/fault.tsx";
import { notify } from "../parts/toast.tsx";
import { go, hrefOf } from "../route.ts";
import { useStore } from "../state.ts";
import { MoreFields } from "./mapping-more.tsx";
import type { FormProps } from "./mapping-field.tsx";
import { MainFields } from "./mapping-main.tsx";

/** A form that adds or changes a mapping, with the same checks and warnings as the commands. */
export function MappingForm({ mapping, site }: { mapping: MappingView | undefined; site: string }): JSX.Element {
  const mappings = useStore((state) => state.mappings) ?? [];
  const sites = useStore((state) => state.status?.sites) ?? [];
  const start = mapping === undefined ? { ...EMPTY, site: site || likelySite(sites) } : formOf(ruleFrom(mapping));
  const [form, setForm] = useState<Form>(start);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [showAllErrors, setShowAllErrors] = useState(false);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const others = useMemo(() => mappings.filter(({ id }) => id !== mapping?.id), [mappings, mapping]);
  const check = useMemo(() => checkForm(form, others), [form, others]);
  const refusal = faultOf(error);
  const errorOf = (field: FieldName): string => {
    if (refusal?.field === field) return refusal.message;
    return !check.ok && check.field === field && (showAllErrors || touched.has(field)) ? check.message : "";
  };
  const set: FormProps["set"] = (field, value) => {
    setForm({ ...form, [field]: value });
    setTouched(new Set([...touched, field]));
    setError(undefined);
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setShowAllErrors(true);
    if (!check.ok) return focusOn(check.field);
    setBusy(true);
    try {
      const saved = await save(form, mapping);
      notify(`${mapping === undefined ? "Added" : "Changed"} ${saved.mapping.endpoint}`);
      await refresh("rules", 0);
      go({ view: "mapping", endpoint: saved.mapping.endpoint, edit: false });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const back = mapping === undefined ? "overview" : "mapping";
  const otherError = showAllErrors && !check.ok && !isFormField(check.field) ? new Error(check.message) : undefined;
  return (
    <form class="mapping-form" onSubmit={(event) => void submit(event)} noValidate>
      <h1>{mapping === undefined ? "Add a mapping" : `Edit ${mapping.endpoint}`}</h1>
      <MainFields form={form} errorOf={errorOf} set={set} sites={sites.map(({ name }) => name)} />
      <MoreFields form={form} errorOf={errorOf} set={set} />
      {check.ok && check.warnings.length > 0 ? (
        <div class="notes" role="status">
          {check.warnings.map((warning) => (
            <p key={warning}>{warning}</p>
          ))}
        </div>
      ) : null}
      <Fault error={refusal === undefined ? (error ?? otherError) : undefined} />
      <p class="buttons">
        <a
          class="button"
          href={hrefOf(
            back === "overview" ? { view: back } : { view: back, endpoint: mapping?.endpoint ?? "", edit: false },
          )}
        >
          Cancel
        </a>
        <button class="primary" disabled={busy}>
          {mapping === undefined ? "Add the mapping" : "Save the changes"}
        </button>
      </p>
    </form>
  );
}

function save(form: Form, mapping: MappingView | undefined): Promise<MappingAnswer> {
  const input = inputOf(form);
  if (mapping === undefined) return call<MappingAnswer>("POST", "/mappings", input);
  return call<MappingAnswer>("PATCH", mappingPath(mapping.endpoint), input, mapping.etag);
}

/** Returns the site to preselect: the first that is online, else the first. */
function likelySite(sites: readonly SiteStatus[]): string {
  return (sites.find(({ state }) => state === "online") ?? sites[0])?.name ?? "";
}

function isFormField(field: string): boolean {
  return Object.hasOwn(EMPTY, field);
}

/** Moves the focus to a field, and opens the section that hides it. */
function focusOn(field: string): void {
  const input = document.querySelector<HTMLElement>(`[name="${CSS.escape(field)}"]`);
  const section = input?.closest("details");
  if (section !== null && section !== undefined) section.open = true;
  input?.focus();
}
