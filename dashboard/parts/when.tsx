import type { JSX } from "preact";
import { moment, relative } from "../format.ts";

/** A time relative to now, with the local time as its tooltip. */
export function When({ at, now, none = "never" }: { at: string | null; now: number; none?: string }): JSX.Element {
  if (at === null) return <span class="faint">{none}</span>;
  return (
    <time dateTime={at} title={moment(at)}>
      {relative(Date.parse(at), now)}
    </time>
  );
}
