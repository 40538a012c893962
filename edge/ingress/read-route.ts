import type { Mapping } from "../../shared/rule/mapping.ts";
import { parsed, type Parsed } from "../../shared/rule/parsed.ts";
import type { Route } from "../registry/types.ts";

/** A route of the registry with the parsed fields of its mapping. */
export type ReadRoute = Route & { readonly rule: Parsed<Mapping> };

/** Parses a route; called once for each answer of the registry. */
export function readRoute(route: Route): ReadRoute {
  return { ...route, rule: parsed(route.mapping) };
}
