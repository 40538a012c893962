import type { Failure } from "../../shared/wire/errors.ts";
import type { Stream } from "../../shared/session/stream.ts";
import { failureOf } from "./dial.ts";
import { DialError } from "./http-pool.ts";

/** Ends a stream with a failure: by REJECT if the target was not reached yet, else by RESET. */
export function fail(stream: Stream, { code, reason }: Failure): void {
  if (stream.state === "opening") stream.reject(code, reason);
  else stream.reset(code, reason);
}

/** Converts an error of Node's HTTP client into a failure. */
export function httpFailureOf(error: NodeJS.ErrnoException, target: string): Failure {
  if (error instanceof DialError) return error.failure;
  const { code = "" } = error;
  if (code.startsWith("HPE_"))
    return { code: "target-protocol", reason: `${target} answered with invalid HTTP (${code})` };
  if (code === "ECONNRESET")
    return { code: "target-reset", reason: `${target} ended the connection before it had answered` };
  const failure = failureOf(error, target);
  return failure.code === "target-unreachable" ? { ...failure, code: "target-reset" } : failure;
}
