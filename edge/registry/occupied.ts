import { type Endpoint, transports } from "../../shared/address/endpoint.ts";

/** Ports and hosts that endpoints occupy, for one pass over many: comparing each with each would take too long. */
export class Occupied {
  readonly #ports = new Map<string, string>();
  readonly #others = new Map<string, string>();

  /** Claims what an endpoint occupies. Returns the owner of a part that is already taken. */
  take(endpoint: Endpoint, owner: string): string | undefined {
    if (endpoint.kind !== "port") return claim(this.#others, JSON.stringify(endpoint), owner);
    let rival: string | undefined;
    for (const transport of transports(endpoint)) {
      for (let port = endpoint.first; port <= endpoint.last; port += 1)
        rival ??= claim(this.#ports, `${port}/${transport}`, owner);
    }
    return rival;
  }
}

function claim(owners: Map<string, string>, key: string, owner: string): string | undefined {
  const before = owners.get(key);
  if (before === undefined) owners.set(key, owner);
  return before;
}
