import { callApi, type Method } from "../link/api.ts";
import type { Dialler } from "../link/dial/dialler.ts";
import type { HttpProxy } from "../link/dial/proxy.ts";
import { Problem } from "../link/problem.ts";
import { parseEdgeUrl } from "../shared/address/edge-url.ts";
import { explainOlderEdge } from "./older-edge.ts";
import type { Login } from "./logins.ts";

/** The API of one edge. `call` returns the response's body, or throws Problem. `ifMatch`: the ETag that the entry must still have. */
export type Edge = {
  url: string;
  /** The proxy through which the edge is reached; null: none. */
  proxy: HttpProxy | null;
  call: <Answer>(method: Method, path: string, body?: unknown, ifMatch?: string) => Promise<Answer>;
};

type EdgeAccess = Pick<Login, "url" | "insecure"> & { token: string | null; dialler: Dialler };

/** Opens the API of an edge. Throws Problem for an unencrypted URL of another machine, unless `insecure`. */
export function openEdge({ url, token, insecure, dialler }: EdgeAccess): Edge {
  const base = checkedUrl(url, insecure);
  return {
    url: base,
    proxy: dialler.proxyFor(new URL(base)),
    call: async (method, path, body, ifMatch) => {
      try {
        return await callApi(dialler, base, { method, path, token, body, ifMatch });
      } catch (error) {
        throw path.startsWith("/mappings") ? explainOlderEdge(error) : error;
      }
    },
  };
}

/** Fetches all pages of a list. Each answer of `path` has its entries under `name` and the cursor of the next page under `next`. */
export async function allPages<Entry>(edge: Edge, path: string, name: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let after: string | null = ""; after !== null;) {
    const query: string = after === "" ? "" : `?after=${encodeURIComponent(after)}`;
    const page = await edge.call<Record<string, unknown>>("GET", `${path}${query}`);
    entries.push(...(page[name] as Entry[]));
    after = page["next"] as string | null;
  }
  return entries;
}

/** Returns the canonical form of an edge's URL. Throws Problem for unencrypted http to another machine, unless `insecure`. */
export function checkedUrl(text: string, insecure: boolean): string {
  const parsed = parseEdgeUrl(text);
  if (!parsed.ok) throw Problem.usage("url-invalid", parsed.error.message, parsed.error.fix ?? "");
  const { text: url, isPlain, isLoopback } = parsed.value;
  if (isPlain && !isLoopback && !insecure) {
    throw Problem.configuration(
      "plain-http",
      `${url} is not encrypted: the admin secret and all tokens could be read on the way`,
      "use https, or add --insecure if the network is protected by other means",
    );
  }
  return url;
}
