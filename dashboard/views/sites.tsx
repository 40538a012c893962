import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { AgentView, SiteStatus, StatusView } from "../../shared/rule/api.ts";
import { call } from "../api.ts";
import { count, moment, span } from "../format.ts";
import { refresh } from "../load.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Icon } from "../parts/icon.tsx";
import { notify } from "../parts/toast.tsx";
import { hrefOf } from "../route.ts";
import { useNow, useStore } from "../state.ts";
import { AddSite } from "./add-site.tsx";
import { IssueToken } from "./issue-token.tsx";

const TONES: Readonly<Record<SiteStatus["state"], Tone>> = { online: "good", offline: "bad", unknown: "warn" };

/** The list of sites with their agents. */
export function Sites({ status }: { status: StatusView }): JSX.Element {
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const now = useNow();
  const [adding, setAdding] = useState(false);
  return (
    <section aria-labelledby="sites">
      <div class="heading">
        <h2 id="sites">Sites</h2>
        {readOnly ? null : (
          <button type="button" onClick={() => setAdding(true)}>
            <Icon name="plus" /> Add a site
          </button>
        )}
      </div>
      <ul class="cards">
        {status.sites.map((site) => (
          <Site
            key={site.name}
            site={site}
            mappings={status.mappings.filter((mapping) => mapping.site === site.name).length}
            now={now}
            readOnly={readOnly}
          />
        ))}
      </ul>
      {adding ? <AddSite onClose={() => setAdding(false)} /> : null}
    </section>
  );
}

type SiteProps = { site: SiteStatus; mappings: number; now: number; readOnly: boolean };

function Site({ site, mappings, now, readOnly }: SiteProps): JSX.Element {
  const [dialog, setDialog] = useState<"token" | "remove">();
  const close = (): void => setDialog(undefined);
  const remove = async (): Promise<void> => {
    await call("DELETE", `/sites/${encodeURIComponent(site.name)}`);
    notify(`Removed ${site.name}`);
    await refresh("rules");
  };
  return (
    <li class={`card ${site.state}`}>
      <div class="heading">
        <h3>{site.name}</h3>
        <Badge tone={TONES[site.state]}>{site.state}</Badge>
      </div>
      {site.agents.length === 0 ? (
        <p class="faint">{site.relay.seen ? "No agent is connected." : "No agent has ever connected."}</p>
      ) : (
        <ul class="agents">
          {site.agents.map((agent) => (
            <Agent key={agent.incarnation} agent={agent} now={now} />
          ))}
        </ul>
      )}
      <p class="small actions">
        <span>{count(mappings, "mapping")}</span>
        {readOnly ? null : (
          <>
            <button type="button" class="link-button" onClick={() => setDialog("token")}>
              Connect an agent
            </button>
            <a href={hrefOf({ view: "new", site: site.name })}>Map a service</a>
            {mappings === 0 ? (
              <button type="button" class="link-button" onClick={() => setDialog("remove")}>
                Remove
              </button>
            ) : null}
          </>
        )}
      </p>
      {dialog === "token" ? <IssueToken start={{ kind: "agent", site: site.name }} onClose={close} /> : null}
      {dialog === "remove" ? (
        <Confirm title={`Remove ${site.name}?`} action="Remove the site" onConfirm={remove} onClose={close}>
          The tokens of its agents are revoked, and the agents are disconnected.
        </Confirm>
      ) : null}
    </li>
  );
}

function Agent({ agent, now }: { agent: AgentView; now: number }): JSX.Element {
  const { identity, address, version, since, roundTripMs, streams } = agent;
  return (
    <li>
      <span class="agent-name" title={`${identity}, from ${address}`}>
        {identity}
      </span>
      <dl class="facts">
        <div>
          <dt>address</dt>
          <dd>{address}</dd>
        </div>
        <div>
          <dt>online for</dt>
          <dd title={moment(since)}>{span(now - Date.parse(since))}</dd>
        </div>
        <div>
          <dt>round trip</dt>
          <dd>{roundTripMs === null ? "–" : roundTripMs < 1 ? "under 1 ms" : `${Math.round(roundTripMs)} ms`}</dd>
        </div>
        <div>
          <dt>version</dt>
          <dd>{version}</dd>
        </div>
        {streams === 0 ? null : (
          <div>
            <dt>visitors</dt>
            <dd>{streams}</dd>
          </div>
        )}
      </dl>
    </li>
  );
}
