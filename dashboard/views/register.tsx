import { Fragment, type JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { MappingStatus } from "../../shared/rule/api.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Icon } from "../parts/icon.tsx";
import { Pager } from "../parts/pager.tsx";
import { Sparkline } from "../parts/sparkline.tsx";
import { When } from "../parts/when.tsx";
import { count, rate } from "../format.ts";
import { hrefOf } from "../route.ts";
import { selectRows, rowsOf, streamsOf, worstFirst, type Order, type Row, type RegisterQuery } from "../rows.ts";
import { useNow, useStore } from "../state.ts";
import { DownloadMenu } from "./download-menu.tsx";

/** Rows on one page: more would be slow to draw and to read. */
const PAGE = 100;

const COLUMNS: readonly { readonly title: string; readonly order?: Order; readonly className?: string }[] = [
  { title: "Endpoint", order: "endpoint" },
  { title: "Service", order: "name" },
  { title: "Target" },
  { title: "Site", order: "site" },
  { title: "Access" },
  { title: "State" },
  { title: "Visitors", order: "streams", className: "number" },
  { title: "Last hour", order: "hour" },
  { title: "Last used", order: "used" },
];

/** The list of all mappings, with filters and sorting. */
export function Register(): JSX.Element {
  const mappings = useStore((state) => state.mappings) ?? [];
  const status = useStore((state) => state.status);
  const traffic = useStore((state) => state.traffic);
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const [query, setQuery] = useState<RegisterQuery>({ text: "", site: "", tag: "", order: "endpoint", down: false });
  const [page, setPage] = useState(0);
  const now = useNow();
  const rows = useMemo(() => rowsOf(mappings, status?.mappings ?? [], traffic), [mappings, status, traffic]);
  const sites = [...new Set(mappings.map(({ site }) => site))].toSorted();
  const tags = [...new Set(mappings.flatMap((mapping) => mapping.tags))].toSorted();
  // The chosen tag may be gone: the last mapping that had it may have been changed.
  const tag = tags.includes(query.tag) ? query.tag : "";
  const found = useMemo(() => worstFirst(selectRows(rows, { ...query, tag })), [rows, query, tag]);
  const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
  const at = Math.min(page, last);
  const change = (next: Partial<RegisterQuery>): void => {
    setQuery({ ...query, ...next });
    setPage(0);
  };
  return (
    <section aria-labelledby="register">
      <div class="heading">
        <h2 id="register">Mappings</h2>
        <span class="actions">
          <DownloadMenu />
          {readOnly ? null : (
            <>
              <a class="button" href={hrefOf({ view: "import" })}>
                <Icon name="upload" /> Import
              </a>
              <a class="button primary" href={hrefOf({ view: "new", site: "" })}>
                <Icon name="plus" /> Add a mapping
              </a>
            </>
          )}
        </span>
      </div>
      <div class="filters" role="search">
        <Search text={query.text} onText={(text) => change({ text })} />
        {sites.length < 2 ? null : (
          <Choose what="Site" all="All sites" of={sites} value={query.site} onValue={(site) => change({ site })} />
        )}
        {tags.length === 0 ? null : (
          <Choose what="Tag" all="All tags" of={tags} value={tag} onValue={(chosenTag) => change({ tag: chosenTag })} />
        )}
        <span class="faint" role="status">
          {found.length === mappings.length
            ? count(mappings.length, "mapping")
            : `${found.length.toLocaleString()} of ${count(mappings.length, "mapping")}`}
        </span>
      </div>
      <div class="table-frame">
        <table class="register">
          <thead>
            <tr>
              {COLUMNS.map((column) => (
                <Title key={column.title} {...column} query={query} onQuery={change} />
              ))}
            </tr>
          </thead>
          <tbody>
            {found.slice(at * PAGE, (at + 1) * PAGE).map((row) => (
              <Line key={row.mapping.id} row={row} now={now} />
            ))}
          </tbody>
        </table>
      </div>
      {found.length === 0 ? <p class="faint">No mappings match.</p> : null}
      <Pager page={at} last={last} onPage={setPage} />
    </section>
  );
}

type ChooseProps = {
  what: string;
  /** Label of the choice that filters nothing. */
  all: string;
  of: readonly string[];
  value: string;
  onValue: (value: string) => void;
};

function Choose({ what, all, of, value, onValue }: ChooseProps): JSX.Element {
  return (
    <select aria-label={what} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
      <option value="">{all}</option>
      {of.map((each) => (
        <option key={each}>{each}</option>
      ))}
    </select>
  );
}

function Search({ text, onText }: { text: string; onText: (text: string) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || isTyping) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <input
      ref={input}
      type="search"
      aria-label="Search mappings"
      aria-keyshortcuts="/"
      placeholder="Search   ( / )"
      value={text}
      onInput={(event) => onText(event.currentTarget.value)}
    />
  );
}

type TitleProps = (typeof COLUMNS)[number] & { query: RegisterQuery; onQuery: (query: Partial<RegisterQuery>) => void };

function Title({ title, order, className, query, onQuery }: TitleProps): JSX.Element {
  if (order === undefined) return <th scope="col">{title}</th>;
  const isSorted = query.order === order;
  const sort = isSorted ? (query.down ? "descending" : "ascending") : "none";
  // Numbers and times start in descending order: the largest and latest matter most.
  const down = isSorted ? !query.down : ["streams", "hour", "used"].includes(order);
  return (
    <th scope="col" class={className} aria-sort={sort}>
      <button type="button" class="sort" onClick={() => onQuery({ order, down })}>
        {title}
        <span aria-hidden="true">{isSorted ? (query.down ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}

function Line({ row, now }: { row: Row; now: number }): JSX.Element {
  const { mapping, status, hour } = row;
  const { endpoint, name, owner, tags, target, site, access, allow, lastUsed } = mapping;
  const streams = streamsOf(row);
  const flow = (row.rate?.bytesIn ?? 0) + (row.rate?.bytesOut ?? 0);
  return (
    <tr>
      <th scope="row" data-title="Endpoint">
        <a href={hrefOf({ view: "mapping", endpoint, edit: false })}>{endpoint}</a>
      </th>
      <td data-title="Service">
        {name}
        {owner === "" ? null : <span class="small faint"> {owner}</span>}
        {tags.map((tag) => (
          <Fragment key={tag}>
            {" "}
            <Badge tone="plain">{tag}</Badge>
          </Fragment>
        ))}
      </td>
      <td data-title="Target">
        <code>{target}</code>
      </td>
      <td data-title="Site" class="whole">
        {site}
      </td>
      <td data-title="Access">
        {access}
        {access === "public" && allow.length > 0 ? (
          <span class="small faint"> from {count(allow.length, "network")}</span>
        ) : null}
      </td>
      <td data-title="State">{status === undefined ? null : <State state={status.state} />}</td>
      <td data-title="Visitors" class="number">
        {streams === 0 ? <span class="faint">0</span> : streams}
        {flow === 0 ? null : <span class="small faint"> {rate(flow)}</span>}
      </td>
      <td data-title="Last hour">
        <Sparkline hour={hour} />
      </td>
      <td data-title="Last used">{streams > 0 ? "now" : <When at={lastUsed} now={now} />}</td>
    </tr>
  );
}

const STATES: Readonly<Record<MappingStatus["state"], { readonly tone: Tone; readonly text: string }>> = {
  ready: { tone: "good", text: "ready" },
  unreachable: { tone: "bad", text: "unreachable" },
  "no-agent": { tone: "bad", text: "no agent" },
  expired: { tone: "warn", text: "expired" },
  unknown: { tone: "warn", text: "unknown" },
};

export function State({ state }: { state: MappingStatus["state"] }): JSX.Element {
  const { tone, text } = STATES[state];
  return <Badge tone={tone}>{text}</Badge>;
}
