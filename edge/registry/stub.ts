import type { Env } from "../env.ts";
import type { Registry } from "./registry.ts";

/** Returns the registry of this edge. */
export function registryOf(env: Pick<Env, "REGISTRY">): DurableObjectStub<Registry> {
  return (env.REGISTRY as DurableObjectNamespace<Registry>).getByName("registry");
}
