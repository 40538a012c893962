import { callApi, type Method } from "../link/api.ts";
import type { Dialler } from "../link/dial/dialler.ts";
import type { HttpProxy } from "../link/dial/proxy.ts";
import { Problem } from "../link/problem.ts";
import { parseEdgeUrl } from "../shared/address/edge-url.ts";
import { explainOlderEdge } from "./older-edge.ts";
import type { Login } from "./logins.ts";

/** The API of one edge. Every call answers the body, or throws Problem. `ifMatch`: change only what is still in the state with this tag. */
export type Edge = {
  url: string;
  /** The proxy that leads to it; null: none. */
  proxy: HttpProxy | null;
  call: <Answer>(method: Method, path: string, body?: unknown, ifMatch?: string) => Promise<Answer>;
};

type Opening = Pick<Login, "url" | "insecure"> & { token: string | null; dialler: Dialler };

/** Speaks to the edge of a login. Throws Problem when the way there would be readable by others. */
export function openEdge({ url, token, insecure, dialler }: Opening): Edge {
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

/** A list of the API, all pages of it: `path` answers entries as `name`, and in `next` what to go on after. */
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
