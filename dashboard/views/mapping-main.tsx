import type { JSX } from "preact";
import { fieldNamed, FIELDS } from "../../shared/rule/fields.ts";
import { Field } from "../parts/field.tsx";
import { FieldControl, type FormProps } from "./mapping-field.tsx";

const REGISTER = FIELDS.filter(({ form }) => form === "register");
const VISITORS = FIELDS.filter(({ form }) => form === "visitors");

/** The fields that every mapping has. */
export function MainFields({ sites, ...props }: FormProps & { sites: readonly string[] }): JSX.Element {
  return (
    <>
      <div class="columns">
        <FieldControl {...props} field={fieldNamed("endpoint")} />
        <FieldControl {...props} field={fieldNamed("target")} />
        <Site {...props} sites={sites} />
        <FieldControl {...props} field={fieldNamed("access")} />
      </div>
      <fieldset>
        <legend>Description</legend>
        <div class="columns">
          {REGISTER.filter(({ isProse }) => isProse !== true).map((field) => (
            <FieldControl key={field.name} {...props} field={field} />
          ))}
        </div>
        {REGISTER.filter(({ isProse }) => isProse === true).map((field) => (
          <FieldControl key={field.name} {...props} field={field} />
        ))}
      </fieldset>
      <fieldset>
        <legend>Who may connect, and how long</legend>
        <div class="columns">
          {VISITORS.map((field) => (
            <FieldControl key={field.name} {...props} field={field} />
          ))}
        </div>
      </fieldset>
    </>
  );
}

/** A choice of the existing sites. */
function Site({ form, errorOf, set, sites }: FormProps & { sites: readonly string[] }): JSX.Element {
  return (
    <Field label={fieldNamed("site").label} error={errorOf("site")}>
      {(control) => (
        <select {...control} name="site" value={form.site} onChange={(event) => set("site", event.currentTarget.value)}>
          {sites.length === 0 ? <option value="">Add a site first</option> : null}
          {sites.map((site) => (
            <option key={site} value={site}>
              {site}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
