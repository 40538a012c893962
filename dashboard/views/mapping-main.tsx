import type { JSX } from "preact";
import type { Form } from "../form.ts";
import { Field } from "../parts/field.tsx";
import { Lines, Text, type FormProps } from "./mapping-field.tsx";

/** The fields that every mapping has. */
export function MainFields({ sites, ...props }: FormProps & { sites: readonly string[] }): JSX.Element {
  const { form, errorOf, set } = props;
  return (
    <>
      <div class="columns">
        <Text
          {...props}
          field="endpoint"
          label="Endpoint"
          hint="What visitors address: 8090/tcp, 5060/udp, 10000-10019/udp, https://shop.example.com, or SITE/NAME for token holders alone."
        />
        <Text
          {...props}
          field="target"
          label="Target"
          hint="Where it leads inside the LAN: 192.168.2.102:8090, or https://192.168.2.102."
        />
        <Field label="Site" error={errorOf("site")}>
          {(given) => (
            <select
              {...given}
              name="site"
              value={form.site}
              onChange={(event) => set("site", event.currentTarget.value)}
            >
              {sites.length === 0 ? <option value="">Add a site first</option> : null}
              {sites.map((site) => (
                <option key={site} value={site}>
                  {site}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Access" error={errorOf("access")}>
          {(given) => (
            <select
              {...given}
              name="access"
              value={form.access}
              onChange={(event) => set("access", event.currentTarget.value as Form["access"])}
            >
              <option value="">As usual for its kind</option>
              <option value="public">Public: whoever may come from where it is open to</option>
              <option value="token">Token: holders of a token, or of a grant</option>
            </select>
          )}
        </Field>
      </div>
      <fieldset>
        <legend>For the register</legend>
        <div class="columns">
          <Text {...props} field="name" label="Service" hint="What it is." />
          <Text {...props} field="owner" label="Owner" hint="Whom to ask about it." />
        </div>
        <Text {...props} field="note" label="Why" hint="The reason it is open." />
      </fieldset>
      <fieldset>
        <legend>Who and how long</legend>
        <div class="columns">
          <Lines
            {...props}
            field="allow"
            label="Open to"
            hint="Addresses or networks, one on a line. Empty: everyone."
          />
          <Lines {...props} field="deny" label="But not to" hint="These are refused whatever stands beside." />
          <Field label="Ends" hint="In your own time zone. Empty: never." error={errorOf("expires")}>
            {(given) => (
              <input
                {...given}
                name="expires"
                type="datetime-local"
                value={form.expires}
                onInput={(event) => set("expires", event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
      </fieldset>
    </>
  );
}
