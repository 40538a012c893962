import { LANE_CLOSE } from "../shared/wire/errors.ts";
import type { Fields, Log } from "./log.ts";

/** Why a lane could not be opened, or ended. It is dialled again only if the fault is `retryable`. `fix`: what helps, if that is known. */
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

/** Milliseconds until another dial after a fault that does not pass within seconds, as of a captive portal or a wrong certificate. */
export const SLOW_MS = 60_000;
/** Milliseconds until another dial while another process serves with this token, at an edge that does not tell when that one is gone. */
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

/** Converts the status of an answer that was not expected into a fault. `retryAfter`: the header's value. */
export function faultOfStatus(status: number, detail: string, retryAfter: string | undefined): LinkFault {
  const seconds = Number(retryAfter);
  const afterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 0;
  const suffix = detail === "" ? "" : `: ${detail}`;
  if (status === 401)
    return { retryable: false, code: "token", reason: `the edge refused the token${suffix}`, fix: NEW_TOKEN };
  if (status === 403)
    return {
      retryable: false,
      code: "forbidden",
      reason: `the edge does not permit this token${suffix}`,
      fix: NEW_TOKEN,
    };
  if (status === 426 || status === 400)
    return {
      retryable: false,
      code: "incompatible",
      reason: `the edge did not understand the request${suffix}`,
      fix: "update this program or the edge",
    };
  if (status === 429 || status >= 500) return retryableFault("busy", `the edge answered ${status}${suffix}`, afterMs);
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

/** Converts an answer that refuses the upgrade of a lane into a fault. `page`: the beginning of its body. */
export function faultOfUpgrade(status: number, page: string, retryAfter: string | undefined): LinkFault {
  // The edge was reached, but found no upgrade in the request: it answers with an error, or with the endpoints that the token reaches.
  if (/"code":"not-a-websocket"|^\{"kind":"(?:client|gateway)"/.test(page))
    return retryableFault(
      "no-upgrade",
      "the edge was reached, but a proxy before it or an inspection of TLS removed the WebSocket from the request",
      SLOW_MS,
      "let WebSockets pass there (docs/operations.md shows it for nginx), or have the edge's host exempted",
    );
  return faultOfStatus(status, detailOf(parseJson(page)), retryAfter);
}

/** Parses JSON; undefined if it is malformed. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Converts the close code of a lane into a fault (docs/protocol.md section 8). */
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
 * Logs that one lane is gone, or replaced (null), while others live. It warns if the edge ended the lane because of what was sent on
 * it, was busy, or failed. Broken networks and restarted edges are ordinary, and what ends every lane is logged with the last one.
 */
export function logLoss(log: Log, fault: LinkFault | null, fields: Fields): void {
  const isOrdinary = fault === null || !["protocol", "failed", "busy"].includes(fault.code);
  const reason = fault?.reason ?? "it did not answer, and another has replaced it";
  log(isOrdinary ? "debug" : "warn", "a lane was lost", { ...fields, reason });
}

const TLS = /CERT|TLS|SSL|EPROTO|SELF_SIGNED|UNABLE_TO_VERIFY/;

const WAY_OUT = "check DNS and firewall; where a proxy is the only way out, name it: --proxy URL, or HTTPS_PROXY";

/** Converts an error on the path to an edge into a fault. */
export function faultOfError(error: Error): RetryableFault {
  if (error instanceof DialError) return error.fault;
  const code = codeOf(error);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return retryableFault("unresolved", `the name of the edge does not resolve (${code})`, 0, WAY_OUT);
  if (code === "ECONNREFUSED") return retryableFault("refused", "nothing listens at the edge's address");
  if (TLS.test(code)) return retryableFault("tls", `the TLS connection to the edge failed (${code})`, SLOW_MS);
  const reason = error.message === "" ? code : error.message;
  return retryableFault("unreachable", reason, 0, /TIMEDOUT|UNREACH/.test(code) ? WAY_OUT : undefined);
}

/** Returns the code of a system error; without one, its message. */
export function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** Makes the fields of a log line about a fault: the reason, and the fix where one is known. */
export function logFields({ reason, fix }: LinkFault): Fields {
  return fix === undefined ? { reason } : { reason, fix };
}

/** Returns the `detail` of a problem document, 300 characters at most; "" for any other page, which is not quoted. */
export function detailOf(body: unknown): string {
  const { detail } = (body ?? {}) as { detail?: unknown };
  return typeof detail === "string" ? detail.slice(0, 300) : "";
}
