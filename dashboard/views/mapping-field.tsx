import type { JSX } from "preact";
import type { FieldName, NamedField } from "../../shared/rule/fields.ts";
import type { Form } from "../form.ts";
import { Field } from "../parts/field.tsx";

/** Properties of every part of a mapping's form. */
export type FormProps = {
  form: Form;
  /** Returns a field's error message; "" for none, or while the field has not been edited. */
  errorOf: (field: FieldName) => string;
  set: (field: FieldName, value: string | boolean) => void;
};

/** A field with the control for its kind. */
export function FieldControl({ form, errorOf, set, field }: FormProps & { field: NamedField }): JSX.Element {
  const { name, label, hint } = field;
  const value = form[name];
  if (typeof value === "boolean") {
    return (
      <label class="check">
        <input
          type="checkbox"
          name={name}
          checked={value}
          onChange={(event) => set(name, event.currentTarget.checked)}
        />
        {label}
      </label>
    );
  }
  return (
    <Field label={label} hint={hint} error={errorOf(name)}>
      {(control) => <Typed {...control} field={field} value={value} onValue={(typed) => set(name, typed)} />}
    </Field>
  );
}

type TypedProps = { id: string; field: NamedField; value: string; onValue: (value: string) => void };

function Typed({ field, value, onValue, ...control }: TypedProps): JSX.Element {
  const shared = { ...control, name: field.name, value };
  switch (field.kind) {
    case "choice":
      return (
        <select {...shared} onChange={(event) => onValue(event.currentTarget.value)}>
          {Object.entries(field.choices).map(([choice, meaning]) => (
            <option key={choice} value={choice}>
              {meaning}
            </option>
          ))}
        </select>
      );
    case "list":
    case "pem":
      return (
        <textarea {...shared} rows={2} spellcheck={false} onInput={(event) => onValue(event.currentTarget.value)} />
      );
    case "moment":
      return <input {...shared} type="datetime-local" onInput={(event) => onValue(event.currentTarget.value)} />;
    case "text":
    case "number":
    case "switch":
      return (
        <input
          {...shared}
          autocomplete="off"
          spellcheck={field.isProse === true}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      );
  }
}
