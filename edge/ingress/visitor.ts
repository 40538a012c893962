import type { Env } from "../env.ts";
import { httpVisitorOf } from "./http-visitor.ts";

/**
 * The address of whoever is at the other end of a lane or of the API, canonical; "" if unknown.
 * Behind a trusted proxy it is the one that came to the proxy: lockouts, `--from` and the audit are about people, not about the proxy.
 */
export function visitorOf(request: Request, env: Env): string {
  return httpVisitorOf(request, "https", env)?.address.text ?? "";
}
