import type { Env } from "../env.ts";
import type { SiteRules } from "./types.ts";

/** The RPC methods of a relay that the registry calls; declared here because the relay's code imports the registry's. */
export interface SiteRelay extends Rpc.DurableObjectBranded {
  push: (rules: SiteRules) => void;
  watch: () => Promise<void>;
}

/** Returns the relay of this name. */
export function siteRelay(env: Pick<Env, "RELAY">, name: string): DurableObjectStub<SiteRelay> {
  return (env.RELAY as DurableObjectNamespace<SiteRelay>).getByName(name);
}
