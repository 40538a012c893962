import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";
import { passed, warned, type Hop } from "../../shared/hop.ts";

/** Where a test is made from, as far as that decides what it can show. */
export type Here = { hop: Hop; host: string; isEdge: boolean };

/** `host`: the name or address at which visitors reach the edge. */
export async function whereAmI(host: string, url: string): Promise<Here> {
  const me = hostname();
  let addresses: string[];
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    return {
      hop: warned(
        "here",
        "name-unknown",
        `From ${me}, the name ${host} does not resolve (${reason}).`,
        "check its DNS record",
      ),
      host,
      isEdge: false,
    };
  }
  const own = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  const isEdge = addresses.some((address) => own.includes(address) || /^127\.|^::1$/.test(address));
  const text = isEdge
    ? `From ${me}, which is the edge's own machine (${url}).`
    : `From ${me} to ${host} (${addresses.join(", ")}).`;
  return { hop: passed("here", text), host, isEdge };
}
