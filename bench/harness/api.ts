import type { Sallyport } from "../adapters/sallyport.ts";

/** Calls the edge's API as an administrator. Throws with what the edge said when it refuses. */
export type Api = <T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown) => Promise<T>;

export async function apiOf({ host, cli }: Sallyport): Promise<Api> {
  const token = await cli("token", "admin");
  return async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`http://${host}:8787/.sallyport/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
    return (await response.json()) as T;
  };
}
