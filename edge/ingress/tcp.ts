import type { Env } from "../env.ts";
import { encodeVisit } from "../relay/doors/tcp-visit.ts";
import { parseAddress } from "../../shared/address/address.ts";
import type { Failure } from "../../shared/wire/errors.ts";
import { decide } from "../../shared/rule/policy.ts";
import { formatHostPort, splitHostPort } from "../../shared/address/socket-address.ts";
import { rates } from "./rates.ts";
import { routePort } from "./routes.ts";
import type { ReadRoute } from "./read-route.ts";
import { relayOf } from "../relay/stub.ts";
import { writeRefusal } from "./write-refusal.ts";

/** Handles a connection at one of the Worker's TCP ports: refuses it early, or passes it to the site's relay. */
export async function admitTcp(socket: Socket, env: Env, ctx: ExecutionContext): Promise<void> {
  const at = Date.now();
  const { remoteAddress, localAddress } = await socket.opened;
  // HTTP CONNECT on the HTTP socket arrives here too, with an address that the client chose and no remote address
  // (measured, workerd 2026-10-23).
  if (remoteAddress === undefined || localAddress === undefined) return void (await socket.close());
  const port = Number(splitHostPort(localAddress)?.port);
  const peer = splitHostPort(remoteAddress);
  const address = parseAddress(peer?.host ?? "");
  if (!address.ok || !Number.isInteger(port)) return void (await socket.close());
  const visitor = formatHostPort(address.value.text, peer?.port ?? "0");
  const route = await routePort(env, port, "tcp").catch(() => null);
  const refusal = route === null ? null : refusalOf(route, address.value);
  if (route === null || refusal !== null) {
    ctx.waitUntil(
      writeRefusal(
        env,
        route,
        { at, visitor, endpoint: `${port}/tcp` },
        refusal ?? { code: "no-mapping", reason: `nothing is mapped to ${port}/tcp` },
      ),
    );
    return void (await socket.close());
  }
  const relay = relayOf(env, route.relay).connect(encodeVisit({ endpoint: `${port}/tcp`, visitor }));
  await Promise.allSettled([socket.readable.pipeTo(relay.writable), relay.readable.pipeTo(socket.writable)]);
}

/** Returns why a visitor is refused without waking the relay; null to pass it to the relay, which decides again. */
function refusalOf(route: ReadRoute, address: Parameters<typeof decide>[2]["address"]): Failure | null {
  const verdict = decide(route.rule, route.grants, { address, via: "public", now: Date.now() });
  if (!verdict.ok) return verdict.failure;
  const excess = rates.take(route.mapping, address, Date.now());
  if (excess !== null) return excess;
  if (!route.relaySeen) return { code: "no-agent", reason: `no agent of ${route.site} has ever been online` };
  return null;
}
