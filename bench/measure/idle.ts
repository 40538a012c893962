import { counted, type Counted } from "../../test/support/counted.ts";
import { startSallyport } from "../adapters/sallyport.ts";
import type { Targets } from "../harness/peer.ts";
import { firstBytes } from "../load/echo.ts";

/** An agent that has nothing to do, while others have. */
export interface IdleWatch {
  /** Process ids of that agent and of its edge. */
  readonly agent: number;
  readonly workerd: number;
  /**
   * Messages that its relay would have woken for, and for how long was watched: two pings at the least. Counted on the
   * wire, since asking the relay wakes it.
   */
  readonly read: () => Promise<{ messages: number; seconds: number }>;
}

/** Begins to watch; both ends live as long as the stack. */
export async function watchIdle(dist: string, { echo = "" }: Targets, stack: AsyncDisposableStack): Promise<IdleWatch> {
  let path: Counted | undefined;
  const through = async (edge: string): Promise<string> => {
    path = stack.use(await counted(`http://${edge}`));
    return new URL(path.url).host;
  };
  const ours = await startSallyport({ echo }, { dist, through }, stack);
  await firstBytes(ours.at["echo"] ?? "", 1);
  const said = (): number => path?.said() ?? 0;
  const begin = async (): Promise<{ messages: number; at: number }> => {
    // By then what that visitor left to be said is said.
    await path?.pings(2);
    return { messages: said(), at: performance.now() };
  };
  const begun = begin();
  const watched = begun.then(() => path?.pings(2));
  return {
    agent: ours.agent.pid,
    workerd: ours.workerd,
    read: async () => {
      const { messages, at } = await begun;
      await watched;
      return { messages: said() - messages, seconds: (performance.now() - at) / 1000 };
    },
  };
}
