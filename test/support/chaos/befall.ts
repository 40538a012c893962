import { setTimeout as pause } from "node:timers/promises";
import { LANES } from "../../../link/lanes.ts";
import type { Event, Fault } from "./history.ts";
import { ENDS, type End, type LanePort } from "./network.ts";
import type { World } from "./world.ts";

const LOOK_MS = 500;
const PATIENCE_MS = 60_000;

/** The kernel's names of the lanes that each end has at the beginning of a history. */
export type Lanes = Readonly<Record<End, readonly LanePort[]>>;

/** The lanes of all ends, once those are there. Other connections of theirs to the edge, for questions, do not last. */
export async function lanesOf(world: World): Promise<Lanes> {
  const of = async (end: End): Promise<LanePort[]> => {
    const began = performance.now();
    let before = await world.network.lanes(end);
    for (;;) {
      if (performance.now() - began > PATIENCE_MS) throw new Error(`the ${end} has other lanes than ${LANES}`);
      await pause(LOOK_MS);
      const now = await world.network.lanes(end);
      const stayed = before.filter((port) => now.includes(port));
      if (stayed.length === LANES) return stayed;
      if (stayed.length < LANES) before = now;
    }
  };
  const [agent, client, gateway] = await Promise.all(ENDS.map(of));
  return { agent: agent ?? [], client: client ?? [], gateway: gateway ?? [] };
}

/** Lets all events of a history happen, each at its time. Resolves when the last is over and what can be taken back is. */
export async function befall(world: World, events: readonly Event[], lanes: Lanes): Promise<void> {
  await Promise.all(
    events.map(async ({ at, fault }) => {
      await pause(at * 1000);
      await suffer(world, fault, lanes);
    }),
  );
}

async function suffer(world: World, fault: Fault, lanes: Lanes): Promise<void> {
  const { network } = world;
  switch (fault.kind) {
    case "dark": {
      const ports = fault.lanes === "path" ? undefined : portsOf(fault, lanes);
      const brighten = await network.darken(fault.end, fault.way, ports);
      await pause(fault.seconds * 1000);
      return brighten();
    }
    case "reset":
      return network.reset(fault.end, portsOf(fault, lanes), fault.side);
    case "moved":
      return network.move(fault.end);
    case "unplugged": {
      const plug = await network.unplug(fault.end);
      await pause(fault.seconds * 1000);
      return plug();
    }
    case "stopped": {
      const signal = await world.signal(fault.program, "SIGSTOP");
      await pause(fault.seconds * 1000);
      return signal("SIGCONT");
    }
    case "restarted":
      await world.signal("workerd", "SIGKILL");
  }
}

function portsOf({ end, lanes: wanted }: { end: End; lanes: "path" | readonly number[] }, lanes: Lanes): LanePort[] {
  return lanes[end].filter((_, lane) => wanted === "path" || wanted.includes(lane));
}
