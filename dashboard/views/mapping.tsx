import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { MappingStatus, MappingView } from "../../shared/rule/api.ts";
import { FIELDS, isDefault, textOf, valueOf, type FieldName, type NamedField } from "../../shared/rule/fields.ts";
import { call, mappingPath } from "../api.ts";
import { clock, count, moment } from "../format.ts";
import { refresh } from "../load.ts";
import { Confirm } from "../parts/confirm.tsx";
import { When } from "../parts/when.tsx";
import { notify } from "../parts/toast.tsx";
import { go, hrefOf } from "../route.ts";
import { useNow, useStore } from "../state.ts";
import { IssueToken } from "./issue-token.tsx";
import { MakeGrant } from "./make-grant.tsx";
import { Hops } from "./hops.tsx";
import { MappingDiagram } from "./mapping-diagram.tsx";
import { State } from "./register.tsx";

/** The view of one mapping: its state and traffic, a test, its fields and its actions. */
export function MappingPage({ mapping }: { mapping: MappingView }): JSX.Element {
  const status = useStore((state) => state.status)?.mappings.find(({ id }) => id === mapping.id);
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const { endpoint, name } = mapping;
  return (
    <>
      <div class="heading">
        <div>
          <p class="small">
            <a href={hrefOf({ view: "overview" })}>Overview</a>
          </p>
          <h1>
            {endpoint} {name === "" ? null : <span class="faint">{name}</span>}{" "}
            {status === undefined ? null : <State state={status.state} />}
          </h1>
        </div>
        {readOnly ? null : <Actions mapping={mapping} />}
      </div>
      <MappingDiagram mapping={mapping} status={status} />
      <Hops endpoint={endpoint} />
      <Facts mapping={mapping} status={status} />
    </>
  );
}

function Actions({ mapping }: { mapping: MappingView }): JSX.Element {
  const [dialog, setDialog] = useState<"remove" | "grant" | "token">();
  const { endpoint, access } = mapping;
  const close = (): void => setDialog(undefined);
  const isService = !/^\d|^https?:/.test(endpoint);
  const remove = async (): Promise<void> => {
    await call("DELETE", mappingPath(endpoint), undefined, mapping.etag);
    notify(`Removed ${endpoint}`);
    go({ view: "overview" });
    await refresh("rules", 0);
  };
  return (
    <span class="actions">
      <a class="button" href={hrefOf({ view: "mapping", endpoint, edit: true })}>
        Edit
      </a>
      {isService ? null : (
        <button type="button" onClick={() => setDialog("grant")}>
          Grant
        </button>
      )}
      {access === "token" ? (
        <button type="button" onClick={() => setDialog("token")}>
          Issue a token
        </button>
      ) : null}
      <button type="button" onClick={() => setDialog("remove")}>
        Remove
      </button>
      {dialog === "remove" ? (
        <Confirm title={`Remove ${endpoint}?`} action="Remove the mapping" onConfirm={remove} onClose={close}>
          Its open connections are cut at once. If you add it again, it starts without this history.
        </Confirm>
      ) : null}
      {dialog === "grant" ? <MakeGrant endpoints={[endpoint]} onClose={close} /> : null}
      {dialog === "token" ? <IssueToken start={{ kind: "visitor", endpoint }} onClose={close} /> : null}
    </span>
  );
}

function Facts({ mapping, status }: { mapping: MappingView; status: MappingStatus | undefined }): JSX.Element {
  const now = useNow();
  const { created, changed, lastUsed } = mapping;
  const refusal = status?.lastRefusal ?? null;
  const facts: [title: string, value: JSX.Element | string][] = [
    ...fieldFacts(mapping),
    ["Last used", <When key="used" at={lastUsed} now={now} />],
    ["Refused visitors", status === undefined || status.refused === 0 ? "" : count(status.refused, "visitor")],
    ["Last refused", refusal === null ? "" : `${clock(refusal.at, now)}: ${refusal.reason}`],
    ["Added", `${moment(created.at)} by ${created.by}`],
    ["Changed", changed.at === created.at ? "" : `${moment(changed.at)} by ${changed.by}`],
  ];
  return (
    <section class="panel" aria-labelledby="facts">
      <div class="heading">
        <h2 id="facts">Details</h2>
        <a href={hrefOf({ view: "log", endpoint: mapping.endpoint })}>Show its connections</a>
      </div>
      <dl class="list">
        {facts
          .filter(([, value]) => value !== "")
          .map(([title, value]) => (
            <div key={title}>
              <dt>{title}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}

/** Fields that the heading and the diagram already show. */
const IN_HEADING: readonly FieldName[] = ["endpoint", "site", "target", "name"];
const FACTS = FIELDS.filter(({ name }) => !IN_HEADING.includes(name));

/** Lists the titles and values of a mapping's fields. A field at its default gets its `none` text, or "" if it has none. */
function fieldFacts(mapping: MappingView): [title: string, value: string][] {
  return FACTS.map((field) => {
    const { form, label, title, none = "" } = field;
    const value = valueOf(mapping, field);
    const name = form === undefined ? `${title.slice(0, 1).toUpperCase()}${title.slice(1)}` : label;
    return [name, isDefault(value, field) ? none : formatValue(value, field)];
  });
}

function formatValue(value: unknown, field: NamedField): string {
  if (typeof value === "number") return value.toLocaleString();
  return field.kind === "moment" ? moment(String(value)) : textOf(value, field, ", ");
}
