import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { AuditList } from "../../shared/rule/api.ts";
import { clock } from "../format.ts";
import { Fault } from "../parts/fault.tsx";
import { ChoiceFilter, TextFilter } from "../parts/filter.tsx";
import { JournalPager } from "../parts/journal-pager.tsx";
import { Table } from "../parts/table.tsx";
import { useNow, useStore } from "../state.ts";
import { useAnswer } from "../use-answer.ts";

const PAGE = 100;
const ACTIONS = ["map", "token", "grant", "site", "key", "login", "session", "export", "import"];

/** The view of the audit: who changed what, and when. */
export function Audit(): JSX.Element {
  const revision = useStore((state) => state.revision);
  const [action, setAction] = useState("");
  const [actor, setActor] = useState("");
  const [subject, setSubject] = useState("");
  const [filter, setFilter] = useState({ actor: "", subject: "" });
  const [before, setBefore] = useState<readonly number[]>([]);
  const now = useNow();
  const query = new URLSearchParams({ limit: String(PAGE) });
  const last = before.at(-1);
  for (const [name, value] of Object.entries({ ...filter, action, before: last === undefined ? "" : String(last) }))
    if (value !== "") query.set(name, value);
  const { answer, error } = useAnswer<AuditList>(`/audit?${query.toString()}`, revision);
  const entries = (answer?.entries ?? []).toReversed();
  const next = answer?.next ?? null;
  const turn = (change: () => void): void => {
    change();
    setBefore([]);
  };
  const search = (event: Event): void => {
    event.preventDefault();
    turn(() => setFilter({ actor: actor.trim(), subject: subject.trim() }));
  };
  return (
    <section aria-labelledby="audit">
      <h1 id="audit">Changes</h1>
      <form class="filter-form" onSubmit={search}>
        <ChoiceFilter label="Action" value={action} of={ACTIONS} onValue={(value) => turn(() => setAction(value))} />
        <TextFilter label="By" value={actor} onValue={setActor} />
        <TextFilter label="Subject" value={subject} placeholder="8090/tcp" onValue={setSubject} />
        <button>Search</button>
      </form>
      <Fault error={error} />
      {entries.length === 0 && answer !== undefined ? <p class="empty">No changes match.</p> : null}
      {entries.length === 0 ? null : (
        <Table titles={["When", "By", "Action", "Subject", "Detail"]}>
          {entries.map(
            ({ n, at, last: lately, count: times = 1, actor: by, from, action: what, subject: of, detail }) => (
              <tr key={n}>
                <td data-title="When" class="number">
                  <time dateTime={at}>{clock(at, now)}</time>
                </td>
                <td data-title="By">
                  {by}
                  {from === "" ? null : <span class="small faint"> {from}</span>}
                </td>
                <td data-title="Action">
                  {what}
                  {lately === undefined ? null : (
                    <span class="small faint">
                      {" "}
                      {times} times, last at {clock(lately, now)}
                    </span>
                  )}
                </td>
                <td data-title="Subject">{of}</td>
                <td data-title="Detail" class="small">
                  {detail}
                </td>
              </tr>
            ),
          )}
        </Table>
      )}
      <JournalPager before={before} next={next} onPage={setBefore} />
    </section>
  );
}
