import { startFloor } from "../adapters/floor.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import { inspected, type Held } from "../harness/inspected.ts";
import type { Targets } from "../harness/peer.ts";
import { ownSeconds, residentBytes } from "../harness/proc.ts";

/** A tunnel in front of its targets, whose workerd can be told to collect its garbage. */
export interface Tunnel {
  readonly at: Targets;
  readonly workerd: number;
  readonly agent: number;
  readonly collect: () => Promise<Held>;
}

export type Start = (targets: Targets, stack: AsyncDisposableStack) => Promise<Tunnel>;

export function ourTunnel(dist: string): Start {
  return async (targets, stack) => {
    const { program, collect } = await inspected(stack);
    const { at, host, workerd, agent } = await startSallyport(targets, { dist, workerd: program }, stack);
    const url = `http://${host}:8787/.sallyport/healthz`;
    return { at, workerd, agent: agent.pid, collect: () => collect(workerd, url) };
  };
}

/** Nothing of ours. `window`: bytes of each stream on their way at most. */
export function bare(window: number): Start {
  return async (targets, stack) => {
    const { address, collect } = await inspected(stack);
    const { at, http, processes } = await startFloor(targets, window, stack, address);
    return { at, ...processes, collect: () => collect(processes.workerd, `http://${http}/`) };
  };
}

export function residents({ workerd, agent }: Tunnel): { workerd: number; agent: number } {
  return { workerd: residentBytes(workerd), agent: residentBytes(agent) };
}

/** CPU seconds of both its processes so far. */
export function cpu({ workerd, agent }: Tunnel): number {
  return ownSeconds(workerd) + ownSeconds(agent);
}
