import type { JSX } from "preact";
import type { MappingStatus, MappingView } from "../../shared/rule/api.ts";
import { bytes, count, rate } from "../format.ts";
import { Chart } from "../parts/chart.tsx";
import { useStore } from "../state.ts";

type Props = { mapping: MappingView; status: MappingStatus | undefined };

/** A diagram of a mapping from its visitors to its target, with its traffic now. */
export function MappingDiagram({ mapping, status }: Props): JSX.Element {
  const site = useStore((state) => state.status)?.sites.find(({ name }) => name === mapping.site);
  const traffic = useStore((state) => state.traffic);
  const now = traffic.rates.get(mapping.id);
  const streams = now?.streams ?? status?.streams ?? 0;
  const agents = site?.agents.length ?? 0;
  const bytesIn = now?.bytesIn ?? 0;
  const bytesOut = now?.bytesOut ?? 0;
  const isUp = site?.state === "online";
  const hour = traffic.hours.get(mapping.id)?.reduce((sum, each) => sum + each, 0) ?? 0;
  const summary = `${count(streams, "visitor")} now; ${rate(bytesIn)} in, ${rate(bytesOut)} out. ${mapping.endpoint} leads through ${mapping.site}, which is ${site?.state ?? "unknown"}, to ${mapping.target}.`;
  return (
    <section class="panel" aria-labelledby="way">
      <h2 id="way" class="hidden">
        From visitors to target
      </h2>
      <p class="hidden">{summary}</p>
      <div class={streams > 0 ? "way-picture flowing" : "way-picture"} aria-hidden="true">
        <Node kind="Visitors" text={count(streams, "visitor")} on={streams > 0} />
        <Flow bytesIn={bytesIn} bytesOut={bytesOut} on={streams > 0} />
        <Node kind="Endpoint" text={mapping.endpoint} on={status?.state !== "expired"} />
        <Flow bytesIn={bytesIn} bytesOut={bytesOut} on={streams > 0} broken={!isUp} />
        <Node
          kind="Site"
          text={mapping.site}
          more={isUp ? count(agents, "agent") : (site?.state ?? "")}
          on={isUp}
          bad={!isUp}
        />
        <Flow bytesIn={bytesIn} bytesOut={bytesOut} on={streams > 0} broken={!isUp} />
        <Node kind="Target" text={mapping.target} on={isUp} />
      </div>
      <div class="rates">
        <dl class="facts">
          <div>
            <dt>in</dt>
            <dd>{rate(bytesIn)}</dd>
          </div>
          <div>
            <dt>out</dt>
            <dd>{rate(bytesOut)}</dd>
          </div>
          <div>
            <dt>last hour</dt>
            <dd>{bytes(hour)}</dd>
          </div>
        </dl>
        <Chart samples={now?.lately ?? []} />
      </div>
    </section>
  );
}

type NodeProps = { kind: string; text: string; more?: string; on: boolean; bad?: boolean };

function Node({ kind, text, more = "", on, bad = false }: NodeProps): JSX.Element {
  return (
    <div class={`node ${bad ? "bad" : on ? "on" : ""}`}>
      <span class="small faint">{kind}</span>
      <b>{text}</b>
      {more === "" ? null : <span class="small">{more}</span>}
    </div>
  );
}

type FlowProps = { bytesIn: number; bytesOut: number; on: boolean; broken?: boolean };

function Flow({ bytesIn, bytesOut, on, broken = false }: FlowProps): JSX.Element {
  return (
    <div class={`flow ${broken ? "broken" : on ? "on" : ""}`}>
      <i class={bytesIn > 0 ? "there moving" : "there"} />
      <i class={bytesOut > 0 ? "back moving" : "back"} />
    </div>
  );
}
