import { createPublicKey, verify, type JsonWebKey } from "node:crypto";
import WebSocket from "ws";
import { jsonOf } from "../../link/answer.ts";
import { faultOfError, faultOfStatus, type LinkFault } from "../../link/fault.ts";
import { EXIT } from "../../link/problem.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

const TIMEOUT_MS = 10_000;
/** Limit in bytes for an answer: an edge sends its clock or its keys, and another server may send without end. */
const MOST_BYTES = 256 * 1024;
/** Tokens are refused beyond this; see shared/token-life.ts. */
const SKEW_MS = 60_000;

/** Whether what answers is an edge, and what it says the time is. */
export async function checkEdge(origin: string, now: () => number): Promise<Finding[]> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${origin}/.sallyport/healthz`, {
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = await jsonOf(response, MOST_BYTES);
    body = answer.ok ? answer.json : null;
  } catch (error) {
    return [
      fail(
        "edge",
        EXIT.unreachable,
        `${origin} does not answer: ${(error as Error).message}`,
        "the checks above say more",
      ),
    ];
  }
  if (response.status !== 200 || (body as { ok?: unknown } | null)?.ok !== true) {
    return [
      fail(
        "edge",
        EXIT.unreachable,
        `something other than an edge answered ${response.status} at ${origin}`,
        "a captive portal or a proxy may be in between: open the URL in a browser on this network",
      ),
    ];
  }
  const { time } = body as { time?: unknown };
  return [ok("edge", `${origin} is one`), clock(typeof time === "number" ? time : NaN, now())];
}

/** `time`: the edge's, in milliseconds since 1970. */
function clock(time: number, now: number): Finding {
  const off = time - now;
  if (Number.isNaN(off)) return ok("clock", "the edge did not say its time");
  const seconds = Math.round(Math.abs(off) / 1000);
  if (Math.abs(off) <= SKEW_MS)
    return ok("clock", seconds <= 1 ? "agrees with the edge's" : `${seconds} s beside the edge's`);
  return warn(
    "clock",
    `this machine is ${seconds} s ${off > 0 ? "behind" : "ahead of"} the edge: tokens may seem expired or not yet good`,
    "set the clock: timedatectl set-ntp true",
  );
}

/** Whether the token was signed by this edge. */
export async function checkSignature(origin: string, token: string): Promise<Finding> {
  try {
    const response = await fetch(`${origin}/.sallyport/jwks.json`, {
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = await jsonOf(response, MOST_BYTES);
    if (!answer.ok) throw new Error(answer.why);
    const { keys } = answer.json as { keys: (JsonWebKey & { kid: string })[] };
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
    if (isGood) return ok("signature", "the token is of this edge");
    return fail(
      "signature",
      EXIT.token,
      "the token was not signed by this edge",
      "take one of this edge: sallyport token agent SITE",
    );
  } catch (error) {
    return fail(
      "signature",
      EXIT.unreachable,
      `the edge's keys can't be read: ${(error as Error).message}`,
      "check what stands between here and the edge",
    );
  }
}

/** Whether a lane would be let in: an upgrade with the token and no HELLO, so that no running agent is disturbed. */
export async function checkLane(edge: URL, token: string): Promise<Finding> {
  const fault = await tryLane(new URL("/.sallyport/agent", edge), token);
  if (fault === null) return ok("lane", "the edge lets this agent in");
  const exit = fault.retryable ? EXIT.unreachable : EXIT.token;
  return fail(
    "lane",
    exit,
    fault.reason,
    fault.retryable ? "WebSockets must pass whatever stands in between" : fault.fix,
  );
}

function tryLane(url: URL, token: string): Promise<LinkFault | null> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, "sallyport.v1", {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      handshakeTimeout: TIMEOUT_MS,
      followRedirects: false,
    });
    socket.once("open", () => {
      socket.close(1000, "doctor");
      resolve(null);
    });
    socket.once("unexpected-response", (request, response) => {
      resolve(faultOfStatus(response.statusCode ?? 0, "", undefined));
      request.destroy();
    });
    socket.on("error", (error) => resolve(faultOfError(error)));
  });
}
