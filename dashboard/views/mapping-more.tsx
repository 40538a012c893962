import type { JSX } from "preact";
import { parseEndpoint, type Endpoint } from "../../shared/address/endpoint.ts";
import { appliesTo } from "../../shared/rule/field.ts";
import { FIELDS } from "../../shared/rule/fields.ts";
import { EMPTY } from "../form.ts";
import { FieldControl, type FormProps } from "./mapping-field.tsx";

const MORE_FIELDS = FIELDS.filter(({ form }) => form === undefined);

/** Decides which fields are shown while the endpoint is missing or wrong. */
const DEFAULT_ENDPOINT: Endpoint = { kind: "port", first: 1, last: 1, transport: "tcp" };

/** The fields that few mappings need, as far as they apply to the endpoint and target. */
export function MoreFields(props: FormProps): JSX.Element {
  const { form } = props;
  const parsed = parseEndpoint(form.endpoint.trim());
  const endpoint = parsed.ok ? parsed.value : DEFAULT_ENDPOINT;
  const isUsed = MORE_FIELDS.some(({ name }) => form[name] !== EMPTY[name]);
  return (
    <details class="more" open={isUsed}>
      <summary>Limits{endpoint.kind === "http" ? ", HTTP" : ""} and other options</summary>
      <div class="columns">
        {MORE_FIELDS.filter((field) => appliesTo(field, endpoint, form.target.trim())).map((field) => (
          <FieldControl key={field.name} {...props} field={field} />
        ))}
      </div>
    </details>
  );
}
