import type { Claims } from "./claims.ts";

/** Seconds by which clocks may differ. */
export const CLOCK_SKEW = 60;
/** Seconds after its end in which an agent's or a gateway's token can still be renewed, and nothing else. */
export const RENEWABLE_FOR = 30 * 24 * 3600;

/**
 * Where a token is in its life: `early` (issued in the future), `live`, `ageing` (live, past two thirds: renew it),
 * `lapsed` (may only renew), `dead`.
 */
export type TokenLife = "early" | "live" | "ageing" | "lapsed" | "dead";

/** Tells where a token is in its life. `now` in seconds since 1970. Only tokens of agents and gateways can be renewed. */
export function lifeOf(claims: Claims, now: number): TokenLife {
  const renews = claims.aud === "sallyport:agent" || claims.aud === "sallyport:gateway";
  if (now < claims.iat - CLOCK_SKEW) return "early";
  if (now < claims.exp) return renews && now >= renewAt(claims) ? "ageing" : "live";
  return renews && now < claims.exp + RENEWABLE_FOR ? "lapsed" : "dead";
}

/** When to renew, in seconds since 1970: at two thirds of its life. */
export function renewAt(claims: Pick<Claims, "iat" | "exp">): number {
  return claims.iat + Math.floor(((claims.exp - claims.iat) * 2) / 3);
}
