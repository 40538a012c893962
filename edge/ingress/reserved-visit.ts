import type { Authority } from "../../shared/address/http-authority.ts";
import type { Env } from "../env.ts";
import type { HostKind, HttpRoute } from "./http-routes.ts";
import type { HttpVisitor } from "./http-visitor.ts";

/** A request under a reserved path: where it came in, and from whom; `visitor` is undefined when that can't be known. */
export type ReservedVisit = {
  request: Request;
  env: Env;
  ctx: ExecutionContext;
  kind: HostKind;
  routes: readonly HttpRoute[];
  authority: Authority;
  visitor: HttpVisitor | undefined;
  path: string;
};
