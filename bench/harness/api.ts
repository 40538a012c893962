/** Calls the edge's API as an administrator. Throws with what the edge said when it refuses. */
export type Api = <T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown) => Promise<T>;

/** Logs in to the edge at this URL with its admin secret. */
export async function administrator(url: string, secret: string): Promise<Api> {
  const { token } = await call<{ token: string }>(url, null, "POST", "/login", { secret, url });
  return (method, path, body) => call(url, token, method, path, body);
}

async function call<T>(url: string, token: string | null, method: string, path: string, body: unknown): Promise<T> {
  const response = await fetch(`${url}/.sallyport/api/v1${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
  return (await response.json()) as T;
}
