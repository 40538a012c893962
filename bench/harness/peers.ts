import { direct } from "../adapters/direct.ts";
import { floor } from "../adapters/floor.ts";
import { haproxy } from "../adapters/haproxy.ts";
import { sallyport } from "../adapters/sallyport.ts";
import { socat } from "../adapters/socat.ts";
import { ssh } from "../adapters/ssh.ts";
import { tunnels } from "../adapters/tunnels.ts";
import { OURS } from "./context.ts";
import type { Options } from "./options.ts";
import type { Adapter, Peer, Targets } from "./peer.ts";

/** Of the baselines, those that figures are held against, or that show what the machine itself does. */
const IN_QUICK_RUNS = ["direct", "socat"];

/** Starts those that are wanted and on this machine, all at once; the others are listed as absent. Without targets, only versions are found out. */
export async function startPeers(
  options: Options,
  targets: Targets | null,
  versions: Record<string, string>,
  stack: AsyncDisposableStack,
): Promise<Peer[]> {
  const started = await Promise.allSettled(
    adapters(options).map(async ({ name, kind, version, serve }): Promise<Peer | null> => {
      const found = await version();
      versions[name] = found ?? "absent";
      if (found === null) {
        console.log(`absent: ${name}`);
        return null;
      }
      if (targets === null) return null;
      try {
        return { name, kind, ...(await serve(targets, stack)) };
      } catch (error) {
        if (kind === "ours") throw error;
        versions[name] = `${found}, which did not start`;
        console.error(`${name} did not start: ${error instanceof Error ? error.message : String(error)}`);
        return null;
      }
    }),
  );
  return started.flatMap((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value ?? [];
  });
}

function adapters({ peers, quick, before, dist }: Options): Adapter[] {
  const others = [direct, socat, haproxy, ssh, floor, ...tunnels].filter(({ name, kind }) =>
    peers.length > 0
      ? peers.includes(name.split(" ")[0] ?? "")
      : !quick || kind === "mux" || IN_QUICK_RUNS.includes(name),
  );
  return [...others, ...(before === null ? [] : [sallyport("before", before)]), sallyport(OURS, dist)];
}
