import type { Env } from "../env.ts";
import type { SiteRules } from "./types.ts";

/** What the registry asks of a site's relay. Relays know the registry, which so knows no more of them than this. */
export interface SiteRelay extends Rpc.DurableObjectBranded {
  push: (rules: SiteRules) => void;
  watch: () => Promise<void>;
}

/** The relay of this name. */
export function siteRelay(env: Pick<Env, "RELAY">, name: string): DurableObjectStub<SiteRelay> {
  return (env.RELAY as DurableObjectNamespace<SiteRelay>).getByName(name);
}
