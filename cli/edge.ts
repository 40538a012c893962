import * as z from "zod";
import { parseEdgeUrl } from "../shared/edge-url.ts";
import type { Login } from "./logins.ts";
import { EXIT, Problem, type ExitCode } from "../link/problem.ts";

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

  constructor(
    exit: ExitCode,
    code: string,
    detail: string,
    fix: string,
    entry: number | undefined,
    field: string | undefined,
  ) {
    super(exit, code, detail, fix);
    this.entry = entry;
    this.field = field;
  }
}

const TIMEOUT_MS = 30_000;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The API of one edge. Every call answers the body, or throws Problem. `ifMatch`: change only what is still in the state with this tag. */
export type Edge = {
  url: string;
  call: <Answer>(method: Method, path: string, body?: unknown, ifMatch?: string) => Promise<Answer>;
};

/** Speaks to the edge of a login. Throws Problem when the way there would be readable by others. */
export function openEdge({ url, token, insecure }: Pick<Login, "url" | "insecure"> & { token: string | null }): Edge {
  const base = checkedUrl(url, insecure);
  return {
    url: base,
    call: async <Answer>(method: Method, path: string, body?: unknown, ifMatch?: string) => {
      const response = await send(base, method, path, token, body, ifMatch);
      const answer: unknown = await response.json().catch(() => undefined);
      if (response.ok && answer !== undefined) return answer as Answer;
      throw refusal(base, response.status, answer);
    },
  };
}

/** The canonical form of an edge's URL. Throws Problem for plain http to another machine, unless that is asked for. */
export function checkedUrl(text: string, insecure: boolean): string {
  const parsed = parseEdgeUrl(text);
  if (!parsed.ok) throw Problem.usage("url-invalid", parsed.error.message, parsed.error.fix ?? "");
  const { text: url, isPlain, isLoopback } = parsed.value;
  if (isPlain && !isLoopback && !insecure) {
    throw Problem.configuration(
      "plain-http",
      `${url} is not encrypted: the secret and all tokens could be read on the way`,
      "use https, or say --insecure if the way is safe by other means",
    );
  }
  return url;
}

async function send(
  base: string,
  method: Method,
  path: string,
  token: string | null,
  body: unknown,
  ifMatch: string | undefined,
): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch !== undefined) headers["if-match"] = ifMatch;
  try {
    return await fetch(`${base}/.sallyport/api/v1${path}`, {
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
      `${base} does not answer: ${reason(error)}`,
      "check the address, and that the edge is running",
    );
  }
}

/** fetch hides why it failed in its cause, and that in a list when several addresses were tried. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  return error.cause === undefined ? error.message : reason(error.cause);
}

function refusal(base: string, status: number, body: unknown): Problem {
  const parsed = problemBody.safeParse(body);
  if (!parsed.success) {
    return new Problem(
      EXIT.failed,
      "not-an-edge",
      `${base} answered ${status}, but not as a Sallyport edge does`,
      "check the address; a proxy in between may have answered",
    );
  }
  const { code, detail, fix = "", entry, field } = parsed.data;
  return new Refusal(exitOf(status), code, detail, fix, entry, field);
}

/** The API's statuses are chosen so that they tell what kind of trouble it is. */
function exitOf(status: number): ExitCode {
  switch (status) {
    case 400:
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
