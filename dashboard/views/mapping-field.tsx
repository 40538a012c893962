import type { JSX } from "preact";
import type { Form } from "../form.ts";
import { Field } from "../parts/field.tsx";

/** What each part of a mapping's form is given. */
export type FormProps = {
  form: Form;
  /** What is wrong with a field; "" when nothing is, or when it has not been touched. */
  errorOf: (field: keyof Form) => string;
  set: <K extends keyof Form>(field: K, value: Form[K]) => void;
};

type TextField = {
  [K in keyof Form]: string extends Form[K] ? K : never;
}[keyof Form];

type TextProps = FormProps & { field: TextField; label: string; hint: string };

/** A field of one line. */
export function Text({ form, errorOf, set, field, label, hint }: TextProps): JSX.Element {
  return (
    <Field label={label} hint={hint} error={errorOf(field)}>
      {(given) => (
        <input
          {...given}
          name={field}
          autocomplete="off"
          spellcheck={field === "note"}
          value={form[field]}
          onInput={(event) => set(field, event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A field of several lines. */
export function Lines({ form, errorOf, set, field, label, hint }: TextProps): JSX.Element {
  return (
    <Field label={label} hint={hint} error={errorOf(field)}>
      {(given) => (
        <textarea
          {...given}
          name={field}
          rows={2}
          spellcheck={false}
          value={form[field]}
          onInput={(event) => set(field, event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
