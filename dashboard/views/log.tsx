import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ConnectionList, ConnectionView } from "../../shared/rule/api.ts";
import { bytes, clock, span } from "../format.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Fault } from "../parts/fault.tsx";
import { ChoiceFilter, TextFilter } from "../parts/filter.tsx";
import { JournalPager } from "../parts/journal-pager.tsx";
import { Table } from "../parts/table.tsx";
import { useNow, useStore } from "../state.ts";
import { useAnswer } from "../use-answer.ts";

const OUTCOMES: Readonly<Record<ConnectionView["outcome"], Tone>> = {
  done: "good",
  refused: "warn",
  reset: "warn",
  lost: "bad",
  cut: "plain",
};

/** Connections on one page. */
const PAGE = 200;

/** The view of the last connections and why each ended. New ones appear by themselves. */
export function Log({ endpoint: start }: { endpoint: string }): JSX.Element {
  const [endpoint, setEndpoint] = useState(start);
  const [site, setSite] = useState("");
  const [visitor, setVisitor] = useState("");
  const [outcome, setOutcome] = useState("");
  const [before, setBefore] = useState<readonly number[]>([]);
  const [filter, setFilter] = useState({ endpoint: start, visitor: "" });
  const sites = useStore((state) => state.status?.sites) ?? [];
  const ended = useStore((state) => state.ended);
  const now = useNow();
  const query = new URLSearchParams({ limit: String(PAGE) });
  const last = before.at(-1);
  const parameters = { ...filter, site, outcome, before: last === undefined ? "" : String(last) };
  for (const [name, value] of Object.entries(parameters)) if (value !== "") query.set(name, value);
  // Live connections are filtered here by site and outcome only. Comparing addresses and port ranges is left to the edge: with
  // such a filter, the list is loaded again instead.
  const isPlain = filter.visitor === "" && filter.endpoint === "" && last === undefined;
  const revision =
    isPlain || last !== undefined ? "" : ended.length === 0 ? "" : (ended.at(-1)?.ended ?? "").slice(0, 18);
  const { answer, error } = useAnswer<ConnectionList>(`/log?${query.toString()}`, revision);
  const shown = useMemo(() => {
    const fresh = isPlain
      ? ended.filter((each) => (site === "" || each.site === site) && (outcome === "" || each.outcome === outcome))
      : [];
    return mergeNewest(answer?.connections ?? [], fresh);
  }, [answer, ended, site, outcome, isPlain]);
  const next = answer?.next ?? null;
  const turn = (change: () => void): void => {
    change();
    setBefore([]);
  };
  const search = (event: Event): void => {
    event.preventDefault();
    turn(() => setFilter({ endpoint: endpoint.trim(), visitor: visitor.trim() }));
  };
  return (
    <section aria-labelledby="log">
      <h1 id="log">Connections</h1>
      <form class="filter-form" onSubmit={search}>
        <TextFilter label="Endpoint" value={endpoint} onValue={setEndpoint} />
        <TextFilter label="Visitor" value={visitor} placeholder="address or network" onValue={setVisitor} />
        <ChoiceFilter
          label="Site"
          value={site}
          of={sites.map(({ name }) => name)}
          onValue={(value) => turn(() => setSite(value))}
        />
        <ChoiceFilter
          label="Outcome"
          value={outcome}
          of={Object.keys(OUTCOMES)}
          onValue={(value) => turn(() => setOutcome(value))}
        />
        <button>Search</button>
      </form>
      <Fault error={error} />
      {shown.length === 0 ? (
        <p class="empty">
          {answer === undefined
            ? "Loading…"
            : "No connections found. A connection is listed when it ends, with the reason."}
        </p>
      ) : (
        <Table titles={["Ended", "Visitor", "Endpoint", "Target", "In", "Out", "Lasted", "Outcome"]}>
          {shown.map((each) => (
            <Connection key={nameOf(each)} connection={each} now={now} />
          ))}
        </Table>
      )}
      <JournalPager before={before} next={next} onPage={setBefore} />
    </section>
  );
}

/** Returns a key for a connection. One that has just ended has no number in the journal yet, so the key is made of its contents. */
function nameOf({ at, ended, visitor, endpoint, outcome, bytesIn, bytesOut }: ConnectionView): string {
  return [at, ended, visitor, endpoint, outcome, bytesIn, bytesOut].join(" ");
}

/** Merges loaded and live connections: the newest first, each once. */
function mergeNewest(loaded: readonly ConnectionView[], fresh: readonly ConnectionView[]): ConnectionView[] {
  const all = new Map([...fresh, ...loaded].map((each) => [nameOf(each), each]));
  return [...all.values()].toSorted((a, b) => b.ended.localeCompare(a.ended)).slice(0, PAGE);
}

function Connection({ connection, now }: { connection: ConnectionView; now: number }): JSX.Element {
  const { at, ended, visitor, endpoint, target, bytesIn, bytesOut, outcome, reason, count } = connection;
  return (
    <tr>
      <td data-title="Ended" class="number">
        <time dateTime={ended}>{clock(ended, now)}</time>
      </td>
      <td data-title="Visitor">
        {visitor}
        {count === undefined ? null : <span class="faint"> × {count}</span>}
      </td>
      <td data-title="Endpoint">{endpoint}</td>
      <td data-title="Target">
        <code>{target}</code>
      </td>
      <td data-title="In" class="number">
        {bytes(bytesIn)}
      </td>
      <td data-title="Out" class="number">
        {bytes(bytesOut)}
      </td>
      <td data-title="Lasted" class="number">
        {span(Date.parse(ended) - Date.parse(at))}
      </td>
      <td data-title="Outcome">
        <Badge tone={OUTCOMES[outcome]}>{outcome}</Badge> <span class="small">{reason}</span>
      </td>
    </tr>
  );
}
