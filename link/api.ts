import * as z from "zod";
import { ask, type Answered } from "./dial/ask.ts";
import type { Dialler } from "./dial/dialler.ts";
import { faultOfError } from "./fault.ts";
import { EXIT, Problem, type ExitCode } from "./problem.ts";

const problemBody = z.object({
  code: z.string(),
  detail: z.string(),
  fix: z.string().optional(),
  entry: z.number().optional(),
  field: z.string().optional(),
});

/** A refusal by an edge. `entry`: which of several rules it is about, from 0; `field`: which field of the rule. */
export class Refusal extends Problem {
  readonly entry: number | undefined;
  readonly field: string | undefined;

  constructor(exit: ExitCode, { code, detail, fix = "", entry, field }: z.output<typeof problemBody>) {
    super(exit, code, detail, fix);
    this.entry = entry;
    this.field = field;
  }
}

const TIMEOUT_MS = 30_000;
/** Limit in bytes on an answer: more than an export of as much as one import may hold. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type ApiCall = {
  method: Method;
  /** What follows `/.sallyport/api/v1`. */
  path: string;
  token: string | null;
  body?: unknown;
  /** The state's ETag: the edge refuses the change if the state has changed since. */
  ifMatch?: string | undefined;
};

/** Calls the API of the edge at this origin. Resolves with the answer's body. Throws Problem if the edge can't be reached, Refusal if it refuses. */
export async function callApi<Answer>(dialler: Dialler, origin: string, call: ApiCall): Promise<Answer> {
  const { status, body } = await send(dialler, origin, call);
  if (status >= 200 && status < 300 && body !== undefined) return body as Answer;
  const problem = problemBody.safeParse(body);
  if (problem.success) throw new Refusal(exitOf(status), problem.data);
  throw new Problem(
    EXIT.failed,
    "not-an-edge",
    `${origin} answered ${status}, but not as a Sallyport edge does`,
    "check the address; a proxy or a captive portal in between may have answered",
  );
}

function send(dialler: Dialler, origin: string, { method, path, token, body, ifMatch }: ApiCall): Promise<Answered> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch !== undefined) headers["if-match"] = ifMatch;
  const payload = body === undefined ? {} : { body: JSON.stringify(body) };
  const url = new URL(`/.sallyport/api/v1${path}`, origin);
  return ask(dialler, url, { method, headers, ...payload, limit: MAX_ANSWER_BYTES, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      throw unreachable(origin, error);
    },
  );
}

/** Describes why the edge can't be reached. Faults of proxies and certificates keep their codes; all others get one code. */
function unreachable(origin: string, error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, reason, fix } = faultOfError(error as Error);
  const defaultFix =
    "check the address, and that the edge is running; inside a site, run agent doctor to find the reason";
  const isNamed = /^(?:tls|proxy|not-a-proxy|answer)/.test(code);
  return new Problem(
    EXIT.unreachable,
    isNamed ? code : "edge-unreachable",
    `${origin} ${isNamed ? "can't be reached" : "does not answer"}: ${reason}`,
    fix ?? defaultFix,
  );
}

/** Returns the exit code for a status of the API; each status stands for one kind of problem. */
function exitOf(status: number): ExitCode {
  switch (status) {
    case 400:
    case 413:
      return EXIT.usage;
    case 401:
    case 429:
      return EXIT.token;
    case 403:
      return EXIT.denied;
    case 422:
    case 503:
      return EXIT.configuration;
    default:
      return EXIT.failed;
  }
}
