import type { JSX } from "preact";
import { parseEndpoint, transports } from "../../shared/address/endpoint.ts";
import { EMPTY, type Form } from "../form.ts";
import { Field } from "../parts/field.tsx";
import { Lines, Text, type FormProps } from "./mapping-field.tsx";

/** The fields that few mappings need: those that its endpoint can have. */
export function MoreFields(props: FormProps): JSX.Element {
  const { form } = props;
  const endpoint = parseEndpoint(form.endpoint.trim());
  const kind = endpoint.ok ? endpoint.value.kind : "port";
  const carried = endpoint.ok ? transports(endpoint.value) : ["tcp"];
  const isUsed = MORE.some((field) => form[field] !== EMPTY[field]);
  return (
    <details class="more" open={isUsed}>
      <summary>Limits{kind === "http" ? ", HTTP" : ""} and other options</summary>
      <div class="columns">
        <Text {...props} field="maxStreams" label="Visitors at once" hint="Empty: no limit." />
        <Text {...props} field="newPerSecond" label="New visitors a second" hint="Empty: no limit." />
        <Text {...props} field="bytesPerSecond" label="Bytes a second, each way" hint="Empty: no limit." />
        {kind === "http" ? <HttpFields {...props} /> : <PortFields {...props} carried={carried} kind={kind} />}
      </div>
    </details>
  );
}

const MORE = [
  "maxStreams",
  "newPerSecond",
  "bytesPerSecond",
  "proxyProtocol",
  "onLoss",
  "idleSeconds",
  "reflectorOk",
  "hostHeader",
  "tlsVerify",
  "ca",
  "sni",
  "prefix",
  "rewrite",
] as const;

function HttpFields(props: FormProps): JSX.Element {
  const { form } = props;
  const isTls = /^https:/i.test(form.target.trim());
  return (
    <>
      <Text
        {...props}
        field="hostHeader"
        label="Host header"
        hint="visitor (as asked for), target (its own), or a fixed name."
      />
      <Choice
        {...props}
        field="prefix"
        label="Prefix of the path"
        options={{ keep: "The target sees it", strip: "The target does not see it" }}
      />
      <Check {...props} field="rewrite" label="Redirects and cookies of the target are put under the endpoint" />
      {!isTls ? null : (
        <>
          <Check {...props} field="tlsVerify" label="The target's certificate has to be valid" />
          <Text {...props} field="sni" label="Name in TLS" hint="Empty: the target's host." />
          <Lines {...props} field="ca" label="Certificates to trust" hint="PEM. Empty: the public ones." />
        </>
      )}
    </>
  );
}

function PortFields({
  carried,
  kind,
  ...props
}: FormProps & { carried: readonly string[]; kind: string }): JSX.Element {
  return (
    <>
      {!carried.includes("tcp") ? null : (
        <Choice
          {...props}
          field="proxyProtocol"
          label="PROXY protocol to the target"
          options={{ "": "None", v1: "Version 1", v2: "Version 2" }}
        />
      )}
      {!carried.includes("tcp") || kind !== "port" ? null : (
        <Choice
          {...props}
          field="onLoss"
          label="When the way breaks for good"
          options={{ close: "The visitor sees an end", hang: "The visitor sees nothing more" }}
        />
      )}
      {!carried.includes("udp") ? null : (
        <>
          <Text
            {...props}
            field="idleSeconds"
            label="UDP: seconds until a silent flow ends"
            hint="Empty: the edge's default."
          />
          <Check {...props} field="reflectorOk" label="UDP: it may answer much to visitors that have proved nothing" />
        </>
      )}
    </>
  );
}

type CheckProps = FormProps & { field: "rewrite" | "tlsVerify" | "reflectorOk"; label: string };

function Check({ form, set, field, label }: CheckProps): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={field}
        checked={form[field]}
        onChange={(event) => set(field, event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}

type ChoiceField = "prefix" | "proxyProtocol" | "onLoss";
type ChoiceProps<K extends ChoiceField> = FormProps & {
  field: K;
  label: string;
  options: Readonly<Record<Form[K], string>>;
};

function Choice<K extends ChoiceField>({ form, errorOf, set, field, label, options }: ChoiceProps<K>): JSX.Element {
  return (
    <Field label={label} error={errorOf(field)}>
      {(given) => (
        <select
          {...given}
          name={field}
          value={form[field]}
          onChange={(event) => set(field, event.currentTarget.value as Form[K])}
        >
          {Object.entries<string>(options).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
