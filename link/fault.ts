import { LANE_CLOSE } from "../shared/errors.ts";
import type { Fields, Log } from "./log.ts";

/** Why a lane could not be had, or ended. Only `retryable` ones are dialled again. */
export type LinkFault =
  | { retryable: true; code: LinkRetry; reason: string; afterMs: number }
  | { retryable: false; code: LinkStop; reason: string; fix: string };

export type LinkStopped = LinkFault & { retryable: false };

export type LinkRetry =
  | "unreachable"
  | "unresolved"
  | "refused"
  | "tls"
  | "not-an-edge"
  | "busy"
  | "silent"
  | "lost"
  | "failed"
  | "draining"
  | "protocol"
  | "superseded";
export type LinkStop = "token" | "forbidden" | "incompatible";

/** A captive portal or a wrong certificate does not mend within seconds. */
const SLOW_MS = 60_000;
/** Another process with this token serves, and the edge does not tell when it is gone. */
const SUPERSEDED_MS = 300_000;

function retry(code: LinkRetry, reason: string, afterMs = 0): LinkFault {
  return { retryable: true, code, reason, afterMs };
}

const NEW_TOKEN = "issue a new one: sallyport token agent SITE";

/** What an answer to the upgrade that is no upgrade means. `retryAfter` as the header has it. */
export function faultOfStatus(status: number, detail: string, retryAfter: string | undefined): LinkFault {
  const seconds = Number(retryAfter);
  const afterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 0;
  const said = detail === "" ? "" : `: ${detail}`;
  if (status === 401)
    return { retryable: false, code: "token", reason: `the edge refused the token${said}`, fix: NEW_TOKEN };
  if (status === 403)
    return {
      retryable: false,
      code: "forbidden",
      reason: `the edge does not let this token in${said}`,
      fix: NEW_TOKEN,
    };
  if (status === 426 || status === 400)
    return {
      retryable: false,
      code: "incompatible",
      reason: `the edge did not understand${said}`,
      fix: "update this program or the edge",
    };
  if (status === 429 || status >= 500) return retry("busy", `the edge answered ${status}${said}`, afterMs);
  if (status === 404)
    return retry("not-an-edge", "no Sallyport edge answers there: check the URL, and proxies before it", SLOW_MS);
  return retry(
    "not-an-edge",
    `something other than a Sallyport edge answered ${status}: a proxy, or a captive portal`,
    SLOW_MS,
  );
}

/** What the close code of a lane means (docs/protocol.md section 8). */
export function faultOfClose(code: number, reason: string): LinkFault {
  switch (code) {
    case LANE_CLOSE.token:
      return { retryable: false, code: "token", reason: `the edge ended the lane: ${reason}`, fix: NEW_TOKEN };
    case LANE_CLOSE.forbidden:
      return { retryable: false, code: "forbidden", reason: `the edge ended the lane: ${reason}`, fix: NEW_TOKEN };
    case LANE_CLOSE.incompatible:
      return { retryable: false, code: "incompatible", reason, fix: "run the same version on both sides" };
    case LANE_CLOSE.superseded:
      return retry("superseded", reason, SUPERSEDED_MS);
    case LANE_CLOSE.protocol:
    case LANE_CLOSE.overrun:
      return retry("protocol", `the edge ended the lane: ${reason}`);
    case LANE_CLOSE.internal:
      return retry("failed", `the edge ended the lane: ${reason}`);
    case LANE_CLOSE.busy:
      return retry("busy", reason);
    case LANE_CLOSE.draining:
      return retry("draining", reason);
    default:
      return retry(
        "lost",
        reason === ""
          ? `the connection to the edge broke (${code})`
          : `the connection to the edge broke (${code}: ${reason})`,
      );
  }
}

/**
 * Tells that one lane is gone, or replaced (null), while others live. A warning when the edge ended it for what was sent on
 * it, or failed; networks that break and edges that are started anew are ordinary, and what ends every lane is told with the last.
 */
export function logLoss(log: Log, fault: LinkFault | null, fields: Fields): void {
  const isOrdinary = fault === null || !["protocol", "failed", "busy"].includes(fault.code);
  const reason = fault?.reason ?? "it did not answer, and another has replaced it";
  log(isOrdinary ? "debug" : "warn", "a lane was lost", { ...fields, reason });
}

const TLS = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_VERIFY/;

/** What a socket error means. */
export function faultOfError(error: NodeJS.ErrnoException): LinkFault {
  const code = error.code ?? "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return retry("unresolved", `the name of the edge does not resolve (${code})`);
  if (code === "ECONNREFUSED") return retry("refused", "nothing listens at the edge's address");
  if (TLS.test(code)) return retry("tls", `the edge's certificate is not valid here (${code})`, SLOW_MS);
  return retry("unreachable", error.message);
}

/** The `detail` of a problem document, or nothing: a stranger's page is not quoted. */
export function detailOf(page: string): string {
  try {
    const { detail } = JSON.parse(page) as { detail?: unknown };
    return typeof detail === "string" ? detail.slice(0, 300) : "";
  } catch {
    return "";
  }
}
