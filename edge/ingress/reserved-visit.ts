import type { Authority } from "../../shared/address/http-authority.ts";
import type { Env } from "../env.ts";
import type { HostKind, HttpRoute } from "./http-routes.ts";
import type { HttpVisitor } from "./http-visitor.ts";

/** A request under a reserved path, with its host and visitor. `visitor` is undefined if its address can't be determined. */
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
