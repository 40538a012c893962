import { type Endpoint, transports } from "../../shared/address/endpoint.ts";

/** Ports and hosts claimed by endpoints. Finds overlaps in one pass over many: comparing every pair would take too long. */
export class EndpointClaims {
  readonly #ports = new Map<string, string>();
  readonly #others = new Map<string, string>();

  /** Claims the ports or the host of an endpoint for `owner`. Returns the earlier owner if part of it is already claimed. */
  claim(endpoint: Endpoint, owner: string): string | undefined {
    if (endpoint.kind !== "port") return claimKey(this.#others, JSON.stringify(endpoint), owner);
    let existing: string | undefined;
    for (const transport of transports(endpoint)) {
      for (let port = endpoint.first; port <= endpoint.last; port += 1)
        existing ??= claimKey(this.#ports, `${port}/${transport}`, owner);
    }
    return existing;
  }
}

function claimKey(owners: Map<string, string>, key: string, owner: string): string | undefined {
  const before = owners.get(key);
  if (before === undefined) owners.set(key, owner);
  return before;
}
