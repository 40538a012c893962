import type { JSX } from "preact";
import { Field } from "./field.tsx";

type TextProps = { label: string; value: string; placeholder?: string; onValue: (value: string) => void };

/** A text to filter by. */
export function TextFilter({ label, value, placeholder, onValue }: TextProps): JSX.Element {
  return (
    <Field label={label}>
      {(control) => (
        <input
          {...control}
          placeholder={placeholder}
          value={value}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

type ChoiceProps = { label: string; value: string; of: readonly string[]; onValue: (value: string) => void };

/** A choice to filter by; "" for all. */
export function ChoiceFilter({ label, value, of, onValue }: ChoiceProps): JSX.Element {
  return (
    <Field label={label}>
      {(control) => (
        <select {...control} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
          <option value="">All</option>
          {of.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      )}
    </Field>
  );
}
