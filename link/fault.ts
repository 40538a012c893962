import { LANE_CLOSE } from "../shared/wire/errors.ts";
import type { Fields, Log } from "./log.ts";

/** Why a lane could not be had, or ended. Only `retryable` ones are dialled again; `fix` is what helps, where that is known. */
export type LinkFault =
  | { retryable: true; code: RetryableCode; reason: string; afterMs: number; fix?: string | undefined }
  | { retryable: false; code: FatalCode; reason: string; fix: string };

export type FatalFault = LinkFault & { retryable: false };
export type RetryableFault = LinkFault & { retryable: true };

export type RetryableCode =
  | "unreachable"
  | "answer-too-large"
  | "unresolved"
  | "refused"
  | "tls"
  | "tls-expired"
  | "tls-early"
  | "tls-name"
  | "tls-issuer"
  | ProxyFault
  | "no-upgrade"
  | "not-an-edge"
  | "busy"
  | "silent"
  | "lost"
  | "failed"
  | "draining"
  | "protocol"
  | "superseded";
/** What can go wrong at a proxy, or between it and the edge. */
export type ProxyFault =
  | "proxy-unresolved"
  | "proxy-refused"
  | "proxy-unreachable"
  | "proxy-login"
  | "proxy-denied"
  | "proxy-upstream"
  | "not-a-proxy";
export type FatalCode = "token" | "forbidden" | "incompatible";

/** A captive portal or a wrong certificate does not mend within seconds. */
export const SLOW_MS = 60_000;
/** Another process with this token serves, and the edge does not tell when it is gone. */
const SUPERSEDED_MS = 300_000;

/** Thrown by the dialler: why there is no connection to an edge. */
export class DialError extends Error {
  readonly fault: RetryableFault;

  constructor(fault: RetryableFault) {
    super(fault.reason);
    this.name = "DialError";
    this.fault = fault;
  }
}

/** Makes a fault after which a lane is dialled again, in `afterMs` milliseconds at the earliest. */
export function retryableFault(code: RetryableCode, reason: string, afterMs = 0, fix?: string): RetryableFault {
  return { retryable: true, code, reason, afterMs, fix };
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
  if (status === 429 || status >= 500) return retryableFault("busy", `the edge answered ${status}${said}`, afterMs);
  if (status === 404)
    return retryableFault(
      "not-an-edge",
      "no Sallyport edge answers there: check the URL, and proxies before it",
      SLOW_MS,
    );
  return retryableFault(
    "not-an-edge",
    `something other than a Sallyport edge answered ${status}: a proxy, or a captive portal`,
    SLOW_MS,
  );
}

/** What an answer to the upgrade of a lane means that is no upgrade; `page`: the beginning of its body. */
export function faultOfUpgrade(status: number, page: string, retryAfter: string | undefined): LinkFault {
  // The edge was reached, and found no upgrade in the request: it answers with its rule, or with what the token opens.
  if (/"code":"not-a-websocket"|^\{"kind":"(?:client|gateway)"/.test(page))
    return retryableFault(
      "no-upgrade",
      "the edge was reached, but what stands before it or inspects TLS took the WebSocket out of the request",
      SLOW_MS,
      "let WebSockets pass there (docs/operations.md shows it for nginx), or have the edge's host spared",
    );
  return faultOfStatus(status, detailOf(parseJson(page)), retryAfter);
}

/** JSON, or undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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
      return retryableFault("superseded", reason, SUPERSEDED_MS);
    case LANE_CLOSE.protocol:
    case LANE_CLOSE.overrun:
      return retryableFault("protocol", `the edge ended the lane: ${reason}`);
    case LANE_CLOSE.internal:
      return retryableFault("failed", `the edge ended the lane: ${reason}`);
    case LANE_CLOSE.busy:
      return retryableFault("busy", reason);
    case LANE_CLOSE.draining:
      return retryableFault("draining", reason);
    default:
      return retryableFault(
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

const TLS = /CERT|TLS|SSL|EPROTO|SELF_SIGNED|UNABLE_TO_VERIFY/;

const WAY_OUT = "check DNS and firewall; where a proxy is the only way out, name it: --proxy URL, or HTTPS_PROXY";

/** What an error on the way to an edge means. */
export function faultOfError(error: Error): RetryableFault {
  if (error instanceof DialError) return error.fault;
  const code = codeOf(error);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return retryableFault("unresolved", `the name of the edge does not resolve (${code})`, 0, WAY_OUT);
  if (code === "ECONNREFUSED") return retryableFault("refused", "nothing listens at the edge's address");
  if (TLS.test(code)) return retryableFault("tls", `no TLS can be spoken with the edge (${code})`, SLOW_MS);
  const reason = error.message === "" ? code : error.message;
  return retryableFault("unreachable", reason, 0, /TIMEDOUT|UNREACH/.test(code) ? WAY_OUT : undefined);
}

/** The code of a system error; of one without, its message. */
export function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** Makes the fields of a log line about a fault: the reason, and the fix where one is known. */
export function logFields({ reason, fix }: LinkFault): Fields {
  return fix === undefined ? { reason } : { reason, fix };
}

/** The `detail` of a problem document, given as JSON; nothing of another: a stranger's page is not quoted. */
export function detailOf(body: unknown): string {
  const { detail } = (body ?? {}) as { detail?: unknown };
  return typeof detail === "string" ? detail.slice(0, 300) : "";
}
