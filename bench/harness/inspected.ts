import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import WebSocket from "ws";
import { loopback } from "../../test/support/net.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { WORKERD } from "../adapters/floor-parts.ts";
import { residentBytes } from "./proc.ts";

/** How long the inspector may take: it collects meanwhile, on a busy machine, and after what is on its way already (seconds of tiny frames). */
const PATIENCE_MS = 60_000;
const POKE_MS = 50;

/** What a workerd has, in bytes: resident, V8's own live objects, and the buffers that hang on them. */
export interface Held {
  readonly resident: number;
  readonly heap: number;
  readonly buffers: number;
}

/** A workerd that can be told to collect its garbage, over its inspector: what it holds is told from what it has not given back yet. */
export interface Inspected {
  /** A program to start in its place; or what to start it with. */
  readonly program: string;
  readonly address: string;
  /** Collects, and answers what is left of the process, whose Worker answers at `url`. Throws when the inspector doesn't answer. */
  readonly collect: (pid: number, url: string) => Promise<Held>;
}

export async function inspected(stack: AsyncDisposableStack): Promise<Inspected> {
  const folder = stack.use(await tempDir());
  const program = join(folder.path, "workerd");
  const at = `${loopback()}:9229`;
  const script = `#!/bin/sh
[ "$1" = serve ] || exec '${WORKERD}' "$@"
shift
exec '${WORKERD}' serve --inspector-addr=${at} "$@"
`;
  await writeFile(program, script);
  await chmod(program, 0o700);
  return {
    program,
    address: at,
    collect: async (pid, url) => {
      const socket = new WebSocket(`ws://${at}/edge`);
      await once(socket, "open");
      // It listens when JavaScript runs.
      let poked = `${url} has not answered`;
      let isPoking = false;
      const poke = async (): Promise<void> => {
        if (isPoking) return;
        isPoking = true;
        try {
          await (await fetch(url)).arrayBuffer();
          poked = `${url} has answered`;
        } catch (error) {
          const { cause } = error as Error;
          poked = `${url}: ${cause instanceof Error ? cause.message : String(error)}`;
        }
        isPoking = false;
      };
      const poking = setInterval(() => void poke(), POKE_MS);
      try {
        // What the first finds dead may have held what the second does.
        await call(socket, "HeapProfiler.collectGarbage");
        await call(socket, "HeapProfiler.collectGarbage");
        const { usedSize = 0, backingStorageSize = 0 } = await call(socket, "Runtime.getHeapUsage");
        return { resident: residentBytes(pid), heap: usedSize, buffers: backingStorageSize };
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : String(error)}; ${poked}`, { cause: error });
      } finally {
        clearInterval(poking);
        socket.terminate();
      }
    },
  };
}

function call(socket: WebSocket, method: string): Promise<Record<string, number>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, number>>();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  signal.addEventListener("abort", () => reject(new Error(`no answer to ${method} within ${PATIENCE_MS / 1000} s`)));
  const id = Math.floor(Math.random() * 2 ** 31);
  socket.on("message", (message: Buffer) => {
    const said = JSON.parse(message.toString()) as { id?: number; result?: Record<string, number> };
    if (said.id === id) resolve(said.result ?? {});
  });
  socket.send(JSON.stringify({ id, method }));
  return promise;
}
