import { createPublicKey, verify, type JsonWebKey } from "node:crypto";
import { ask } from "../../link/dial/ask.ts";
import type { Dialler } from "../../link/dial/dialler.ts";
import { onRefusal, openSocket } from "../../link/dial/websocket.ts";
import { faultOfError, type LinkFault } from "../../link/fault.ts";
import { EXIT } from "../../link/problem.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

const TIMEOUT_MS = 10_000;
/** Limit in bytes for an answer: an edge sends its clock or its keys, and another server may send without end. */
const MAX_BYTES = 256 * 1024;
/** Clock difference in milliseconds above which tokens are refused; see shared/rule/token-life.ts. */
const SKEW_MS = 60_000;

/** The result of asking the edge. `time`: its clock in milliseconds since 1970; null if no edge answered, or it did not send its time. */
export type EdgeCheck = { findings: Finding[]; time: number | null };

/** Checks that an edge answers, and compares its clock with this machine's. */
export async function checkEdge(dialler: Dialler, edge: URL, now: () => number): Promise<EdgeCheck> {
  try {
    const { status, body } = await ask(dialler, new URL("/.sallyport/healthz", edge), {
      limit: MAX_BYTES,
      timeoutMs: TIMEOUT_MS,
    });
    const { ok: isOk, time } = (body ?? {}) as { ok?: unknown; time?: unknown };
    if (status === 200 && isOk === true) {
      const edgeTime = typeof time === "number" ? time : null;
      return {
        findings: [ok("edge", `${edge.origin.replace(/^ws/, "http")} is a Sallyport edge`), clock(edgeTime, now())],
        time: edgeTime,
      };
    }
    const reason = `something other than an edge answered ${status} at ${edge.host}`;
    const fix = "a captive portal or a proxy may be in between: open the URL in a browser on this network";
    return { findings: [fail("edge", EXIT.unreachable, reason, fix)], time: null };
  } catch (error) {
    const { reason, fix = "the checks above say more" } = faultOfError(error as Error);
    return { findings: [fail("edge", EXIT.unreachable, `${edge.host} does not answer: ${reason}`, fix)], time: null };
  }
}

/** `time`: the edge's, in milliseconds since 1970. */
function clock(time: number | null, now: number): Finding {
  if (time === null) return ok("clock", "the edge did not send its time");
  const off = time - now;
  const seconds = Math.round(Math.abs(off) / 1000);
  if (Math.abs(off) <= SKEW_MS)
    return ok("clock", seconds <= 1 ? "agrees with the edge's" : `${seconds} s different from the edge's`);
  return warn(
    "clock",
    `this machine is ${seconds} s ${off > 0 ? "behind" : "ahead of"} the edge: certificates may seem expired or not yet valid`,
    "set the clock: timedatectl set-ntp true",
  );
}

/** Checks that this edge signed the token. */
export async function checkSignature(dialler: Dialler, edge: URL, token: string): Promise<Finding> {
  try {
    const answer = await ask(dialler, new URL("/.sallyport/jwks.json", edge), {
      limit: MAX_BYTES,
      timeoutMs: TIMEOUT_MS,
    });
    const { keys } = answer.body as { keys: (JsonWebKey & { kid: string })[] };
    const [head = "", body = "", signature = ""] = token.split(".");
    const { kid } = JSON.parse(Buffer.from(head, "base64url").toString()) as { kid?: string };
    const key = keys.find((each) => each.kid === kid);
    const isGood =
      key !== undefined &&
      verify(
        null,
        Buffer.from(`${head}.${body}`),
        createPublicKey({ key, format: "jwk" }),
        Buffer.from(signature, "base64url"),
      );
    if (isGood) return ok("signature", "this edge signed the token");
    return fail(
      "signature",
      EXIT.token,
      "this edge did not sign the token",
      "issue one at this edge: sallyport token agent SITE",
    );
  } catch (error) {
    return fail(
      "signature",
      EXIT.unreachable,
      `the edge's keys can't be read: ${(error as Error).message}`,
      "check the proxies and firewalls between this machine and the edge",
    );
  }
}

/** Checks that the edge accepts a lane, by an upgrade with the token but without HELLO, which disturbs no running agent. */
export async function checkLane(dialler: Dialler, edge: URL, token: string): Promise<Finding> {
  const fault = await tryLane(dialler, new URL("/.sallyport/agent", edge), token);
  if (fault === null) return ok("lane", "the edge accepts this agent");
  const { retryable, reason, fix = "proxies and firewalls in between must let WebSockets pass" } = fault;
  return fail("lane", retryable ? EXIT.unreachable : EXIT.token, reason, fix);
}

function tryLane(dialler: Dialler, url: URL, token: string): Promise<LinkFault | null> {
  return new Promise((resolve) => {
    const socket = openSocket(dialler, url, token);
    socket.once("open", () => {
      socket.close(1000, "doctor");
      resolve(null);
    });
    onRefusal(socket, resolve);
    socket.on("error", (error) => resolve(faultOfError(error)));
  });
}
