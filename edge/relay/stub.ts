import type { Env } from "../env.ts";
import type { Relay } from "./relay.ts";

/** Returns the relay with this name: the site's name and its generation. */
export function relayOf(env: Pick<Env, "RELAY">, name: string): DurableObjectStub<Relay> {
  return (env.RELAY as DurableObjectNamespace<Relay>).getByName(name);
}
