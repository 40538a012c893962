import type { JSX } from "preact";
import { useId } from "preact/hooks";

type ControlProps = { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean };
type Props = {
  label: string;
  hint?: string | undefined;
  /** The error message; "" for none. */
  error?: string | undefined;
  children: (props: ControlProps) => JSX.Element;
};

/** A form field with its label, hint and error. */
export function Field({ label, hint = "", error = "", children }: Props): JSX.Element {
  const id = useId();
  const describedBy = [hint === "" ? "" : `${id}-hint`, error === "" ? "" : `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={error === "" ? "field" : "field wrong"}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": describedBy === "" ? undefined : describedBy, "aria-invalid": error !== "" })}
      {error === "" ? null : (
        <p id={`${id}-error`} class="error">
          {error}
        </p>
      )}
      {hint === "" ? null : (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
    </div>
  );
}
