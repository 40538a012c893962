import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";
import type { HttpProxy } from "../../link/dial/proxy.ts";
import { passed, warned, type Hop } from "../../shared/rule/hop.ts";

/** The machine that a test runs on, as far as that decides what the test can show. `host`: where visitors reach the edge. */
export type VantagePoint = { hop: Hop; host: string; isEdge: boolean; proxy: HttpProxy | null };

/** Describes this machine. `host`: the name or address at which visitors reach the edge; `proxy`: how this machine reaches the edge. */
export async function vantagePointOf(host: string, url: string, proxy: HttpProxy | null): Promise<VantagePoint> {
  const me = hostname();
  // Not looked up: behind a proxy the name need not resolve on this machine.
  if (proxy !== null)
    return { hop: passed("here", `From ${me} through ${proxy.name} (${url}).`), host, isEdge: false, proxy };
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
      proxy,
    };
  }
  const own = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  const isEdge = addresses.some((address) => own.includes(address) || /^127\.|^::1$/.test(address));
  const text = isEdge
    ? `From ${me}, which is the edge's own machine (${url}).`
    : `From ${me} to ${host} (${addresses.join(", ")}).`;
  return { hop: passed("here", text), host, isEdge, proxy };
}
