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

/** What an edge refused; of several rules, which one it was about, from 0, and which field of it. */
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
/** Limit in bytes for an answer: an export as large as an import may be, with room to spare. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type ApiCall = {
  method: Method;
  /** What follows `/.sallyport/api/v1`. */
  path: string;
  token: string | null;
  body?: unknown;
  /** Change only what is still in the state with this tag. */
  ifMatch?: string | undefined;
};

/** Asks the API of the edge at this origin. Answers the body, or throws Problem: of the way there, or what the edge says. */
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

/** The way to the edge has failed. Codes of proxies and certificates are their own; all others are one. */
function unreachable(origin: string, error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, reason, fix } = faultOfError(error as Error);
  const defaultFix =
    "check the address, and that the edge is running; inside a site, agent doctor looks for the reason";
  const isNamed = /^(?:tls|proxy|not-a-proxy|answer)/.test(code);
  return new Problem(
    EXIT.unreachable,
    isNamed ? code : "edge-unreachable",
    `${origin} ${isNamed ? "can't be reached" : "does not answer"}: ${reason}`,
    fix ?? defaultFix,
  );
}

/** The API's statuses are chosen so that they tell what kind of trouble it is. */
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
