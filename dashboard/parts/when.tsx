import type { JSX } from "preact";
import { moment, relative } from "../format.ts";

/** A moment as a distance from now; the moment itself, in local time, when pointed at. */
export function When({ at, now, none = "never" }: { at: string | null; now: number; none?: string }): JSX.Element {
  if (at === null) return <span class="faint">{none}</span>;
  return (
    <time dateTime={at} title={moment(at)}>
      {relative(Date.parse(at), now)}
    </time>
  );
}
