import type { Env } from "../env.ts";
import { httpVisitorOf } from "./http-visitor.ts";

/**
 * Returns the canonical address from which a lane or a request to the API comes; "" if unknown.
 * Behind a trusted proxy it is the address that connected to the proxy, for login penalties, `--from` and the audit.
 */
export function visitorOf(request: Request, env: Env): string {
  return httpVisitorOf(request, "https", env)?.address.text ?? "";
}
