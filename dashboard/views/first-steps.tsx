import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { StatusView } from "../../shared/rule/api.ts";
import { Copyable } from "../parts/copyable.tsx";
import { Icon } from "../parts/icon.tsx";
import { hrefOf } from "../route.ts";
import { useStore } from "../state.ts";
import { AddSite } from "./add-site.tsx";
import { IssueToken } from "./issue-token.tsx";

/** Instructions for an edge without mappings: each step by button or by command. */
export function FirstSteps({ status }: { status: StatusView }): JSX.Element | null {
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const [dialog, setDialog] = useState<"site" | "token">();
  const { sites, mappings } = status;
  if (mappings.length > 0) return null;
  const site = sites[0]?.name;
  const isOnline = sites.some(({ state }) => state === "online");
  const current = site === undefined ? 1 : isOnline ? 3 : 2;
  const close = (): void => setDialog(undefined);
  return (
    <section class="first" aria-labelledby="first">
      <h2 id="first">Nothing is mapped yet: three steps to the first service</h2>
      <ol>
        <Step number={1} current={current} title="Name the LAN">
          <p>A site is one LAN. Give it a name of your choice.</p>
          {readOnly ? null : (
            <button type="button" class="primary" onClick={() => setDialog("site")}>
              <Icon name="plus" /> Add a site
            </button>
          )}
          <Copyable text="sallyport site add warehouse-3" label="Command that adds a site" />
        </Step>
        <Step number={2} current={current} title="Connect an agent inside it">
          <p>
            The agent is one file that runs on any machine in the LAN with Node 20. It connects out to this edge, so you
            need not change the router.
          </p>
          {readOnly ? null : (
            <button type="button" class="primary" onClick={() => setDialog("token")}>
              Issue its token
            </button>
          )}
          <Copyable
            text={`sallyport token agent ${site ?? "warehouse-3"} --out agent.token\nagent --token-file agent.token`}
            label="Commands that connect an agent"
          />
        </Step>
        <Step number={3} current={current} title="Map a service">
          <p>Choose a public port or host name, and the private address it leads to.</p>
          {readOnly ? null : (
            <a class="button primary" href={hrefOf({ view: "new", site: site ?? "" })}>
              <Icon name="plus" /> Add a mapping
            </a>
          )}
          <Copyable
            text={`sallyport map add 8090/tcp ${site ?? "warehouse-3"} 192.168.2.102:8090 --name shop`}
            label="Command that adds a mapping"
          />
        </Step>
      </ol>
      {dialog === "site" ? <AddSite onClose={close} /> : null}
      {dialog === "token" && site !== undefined ? <IssueToken start={{ kind: "agent", site }} onClose={close} /> : null}
    </section>
  );
}

type StepProps = { number: number; current: number; title: string; children: ComponentChildren };

function Step({ number, current, title, children }: StepProps): JSX.Element {
  const isDone = number < current;
  return (
    <li
      class={isDone ? "done" : number === current ? "now" : "later"}
      aria-current={number === current ? "step" : undefined}
    >
      <h3>
        <span class="step" aria-hidden="true">
          {isDone ? <Icon name="ok" /> : number}
        </span>
        {title}
        {isDone ? <span class="hidden"> (done)</span> : null}
      </h3>
      {number === current ? children : null}
    </li>
  );
}
