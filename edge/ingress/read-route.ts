import type { Mapping } from "../../shared/rule/mapping.ts";
import { parsed, type Parsed } from "../../shared/rule/parsed.ts";
import type { Route } from "../registry/types.ts";

/** A route of the registry, with the texts of its mapping as values. */
export type ReadRoute = Route & { readonly rule: Parsed<Mapping> };

/** Reads a route, once for each answer of the registry. */
export function readRoute(route: Route): ReadRoute {
  return { ...route, rule: parsed(route.mapping) };
}
