import { forgetKey, sessionKey } from "./key.ts";

export const API = "/.sallyport/api/v1";

/** A request that the edge refused (RFC 9457), or that did not reach it (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string;
  /** The form field at fault, and the index (from 0) of the rule at fault when several were sent. */
  readonly field: string | undefined;
  readonly entry: number | undefined;

  constructor(status: number, problem: Partial<ProblemBody>) {
    super(problem.detail ?? problem.title ?? "The request failed.");
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

/** Sets the function to call when the edge no longer accepts this session. */
export function whenLoggedOut(listener: () => void): void {
  onLogout = listener;
}

/** Sends a request to the API and returns the JSON answer. `ifMatch` is sent as If-Match. Throws ApiError. */
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
      detail: "The edge can't be reached.",
      fix: "Check your own network connection, then the edge's machine.",
    });
  }
}

async function problemOf(response: Response): Promise<Partial<ProblemBody>> {
  try {
    return (await response.json()) as Partial<ProblemBody>;
  } catch {
    return { detail: `The edge answered with HTTP status ${response.status}.` };
  }
}

/** Returns the API path of one mapping. */
export function mappingPath(endpoint: string): string {
  return `/mappings/${encodeURIComponent(endpoint)}`;
}
