import type { Env } from "../env.ts";
import type { Relay } from "./relay.ts";

/** The relay of this name: a site's, with its generation. */
export function relayOf(env: Pick<Env, "RELAY">, name: string): DurableObjectStub<Relay> {
  return (env.RELAY as DurableObjectNamespace<Relay>).getByName(name);
}
