import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { AuditList } from "../../shared/api.ts";
import { clock } from "../format.ts";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { useNow, useStore } from "../state.ts";
import { useAnswer } from "../use-answer.ts";

const PAGE = 100;
const ACTIONS = ["map", "token", "grant", "site", "key", "session"];

/** Who changed what, and when. */
export function Audit(): JSX.Element {
  const revision = useStore((state) => state.revision);
  const [action, setAction] = useState("");
  const [actor, setActor] = useState("");
  const [subject, setSubject] = useState("");
  const [wish, setWish] = useState({ actor: "", subject: "" });
  const [before, setBefore] = useState<readonly number[]>([]);
  const now = useNow();
  const query = new URLSearchParams({ limit: String(PAGE) });
  const last = before.at(-1);
  for (const [name, value] of Object.entries({ ...wish, action, before: last === undefined ? "" : String(last) }))
    if (value !== "") query.set(name, value);
  const { answer, error } = useAnswer<AuditList>(`/audit?${query.toString()}`, revision);
  const entries = (answer?.entries ?? []).toReversed();
  const next = answer?.next ?? null;
  const search = (event: Event): void => {
    event.preventDefault();
    setWish({ actor: actor.trim(), subject: subject.trim() });
    setBefore([]);
  };
  return (
    <section aria-labelledby="audit">
      <h1 id="audit">Changes</h1>
      <form class="filter-form" onSubmit={search}>
        <Field label="What">
          {(given) => (
            <select
              {...given}
              value={action}
              onChange={(event) => {
                setAction(event.currentTarget.value);
                setBefore([]);
              }}
            >
              <option value="">All</option>
              {ACTIONS.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label="By">
          {(given) => <input {...given} value={actor} onInput={(event) => setActor(event.currentTarget.value)} />}
        </Field>
        <Field label="Of">
          {(given) => (
            <input
              {...given}
              placeholder="8090/tcp"
              value={subject}
              onInput={(event) => setSubject(event.currentTarget.value)}
            />
          )}
        </Field>
        <button>Search</button>
      </form>
      <Fault error={error} />
      {entries.length === 0 && answer !== undefined ? <p class="empty">No change fits.</p> : null}
      {entries.length === 0 ? null : (
        <div class="table-frame">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">By</th>
                <th scope="col">What</th>
                <th scope="col">Of</th>
                <th scope="col">Detail</th>
              </tr>
            </thead>
            <tbody>
              {entries.map(({ n, at, actor: by, from, action: what, subject: of, detail }) => (
                <tr key={n}>
                  <td data-title="When" class="number">
                    <time dateTime={at}>{clock(at, now)}</time>
                  </td>
                  <td data-title="By">
                    {by}
                    {from === "" ? null : <span class="small faint"> {from}</span>}
                  </td>
                  <td data-title="What">{what}</td>
                  <td data-title="Of">{of}</td>
                  <td data-title="Detail" class="small">
                    {detail}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {before.length === 0 && next === null ? null : (
        <nav class="pager" aria-label="Pages">
          <button type="button" disabled={before.length === 0} onClick={() => setBefore(before.slice(0, -1))}>
            Newer
          </button>
          <button type="button" disabled={next === null} onClick={() => setBefore([...before, next ?? 0])}>
            Older
          </button>
        </nav>
      )}
    </section>
  );
}
