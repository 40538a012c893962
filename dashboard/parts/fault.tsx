import type { JSX } from "preact";
import { ApiError } from "../api.ts";
import { messageOf } from "../load.ts";

/** An error message with its fix; nothing without an error. */
export function Fault({ error }: { error: unknown }): JSX.Element | null {
  if (error === undefined || error === null) return null;
  const fix = error instanceof ApiError ? error.fix : "";
  return (
    <div class="fault" role="alert">
      <p>{messageOf(error)}</p>
      {fix === "" ? null : <p class="fix">{fix}</p>}
    </div>
  );
}
