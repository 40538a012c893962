import { forgetKey, sessionKey } from "./key.ts";

export const API = "/.sallyport/api/v1";

/** What the edge says of a request that it refuses (RFC 9457), or what kept it from being asked. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string;
  /** Which field of a form it is about, and which of several rules, from 0. */
  readonly field: string | undefined;
  readonly entry: number | undefined;

  constructor(status: number, problem: Partial<ProblemBody>) {
    super(problem.detail ?? problem.title ?? "Something went wrong.");
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.fix = problem.fix ?? "";
    this.field = problem.field;
    this.entry = problem.entry;
  }
}

interface ProblemBody {
  code: string;
  title: string;
  detail: string;
  fix: string;
  field: string;
  entry: number;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let onLogout: () => void = () => undefined;

/** `listener` hears when the edge no longer knows this session. */
export function whenLoggedOut(listener: () => void): void {
  onLogout = listener;
}

/** Asks the API. Throws ApiError. `ifMatch`: only if it is still in the state with this tag. */
export async function call<T>(method: Method, path: string, body?: unknown, ifMatch?: string): Promise<T> {
  const headers: Record<string, string> = { "x-sallyport-session": sessionKey() };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch !== undefined) headers["if-match"] = ifMatch;
  const response = await fetchResponse(`${API}${path}`, {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return (await response.json()) as T;
  const refusal = new ApiError(response.status, await problemOf(response));
  if (refusal.status === 401 && !(method === "POST" && path === "/session")) {
    forgetKey();
    onLogout();
  }
  throw refusal;
}

async function fetchResponse(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch {
    throw new ApiError(0, {
      code: "unreachable",
      detail: "The edge can't be reached from here right now.",
      fix: "Look at your own connection, then at the edge's machine.",
    });
  }
}

async function problemOf(response: Response): Promise<Partial<ProblemBody>> {
  try {
    return (await response.json()) as Partial<ProblemBody>;
  } catch {
    return { detail: `The edge answered ${response.status}.` };
  }
}

/** An endpoint in a path of the API. */
export function mappingPath(endpoint: string): string {
  return `/mappings/${encodeURIComponent(endpoint)}`;
}
