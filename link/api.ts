import * as z from "zod";
import { jsonOf } from "./answer.ts";
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
const MOST_ANSWERED = 64 * 1024 * 1024;

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
export async function callApi<Answer>(origin: string, call: ApiCall): Promise<Answer> {
  const response = await send(origin, call);
  const answer = await jsonOf(response, MOST_ANSWERED);
  if (response.ok && answer.ok) return answer.json as Answer;
  const problem = problemBody.safeParse(answer.ok ? answer.json : undefined);
  if (problem.success) throw new Refusal(exitOf(response.status), problem.data);
  if (!answer.ok && answer.why !== "not-json") throw unfinished(origin, answer.why);
  throw new Problem(
    EXIT.failed,
    "not-an-edge",
    `${origin} answered ${response.status}, but not as a Sallyport edge does`,
    "check the address; a proxy in between may have answered",
  );
}

function unfinished(origin: string, why: "too-large" | "broken-off"): Problem {
  return why === "too-large"
    ? new Problem(
        EXIT.failed,
        "answer-too-large",
        `${origin} answered more than ${MOST_ANSWERED} bytes`,
        "check the address; if it is the edge's, ask for less at once (--limit)",
      )
    : new Problem(
        EXIT.unreachable,
        "answer-broken-off",
        `the answer of ${origin} broke off, or took longer than ${TIMEOUT_MS / 1000} s`,
        "try again; a slow line or a proxy in between may have ended it",
      );
}

async function send(origin: string, { method, path, token, body, ifMatch }: ApiCall): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch !== undefined) headers["if-match"] = ifMatch;
  try {
    return await fetch(`${origin}/.sallyport/api/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Problem(
      EXIT.unreachable,
      "edge-unreachable",
      `${origin} does not answer: ${reason(error)}`,
      "check the address, and that the edge is running; inside a site, agent doctor looks for the reason",
    );
  }
}

/** fetch hides why it failed in its cause, and that in a list when several addresses were tried. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  return error.cause === undefined ? error.message : reason(error.cause);
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
