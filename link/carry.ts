import type { Readable, Writable } from "node:stream";
import type { Failure } from "../shared/wire/errors.ts";
import { chunkOf, type Stream } from "../shared/session/stream.ts";
import { deferred } from "./deferred.ts";

/** A visitor's connection on this machine. `reset` ends it so that the visitor sees that bytes are missing. */
export type LocalConnection = { readable: Readable; writable: Writable; reset: () => void };

/** Bytes that a stream carried: in from the visitor, out to it. `stream`: its name in logs, once an agent has answered. */
export type Traffic = { stream?: string; bytesIn: number; bytesOut: number };

/** Opens a stream, or returns why it can't. `tried`: the agents that turned out to be gone. */
export type Open = (tried: ReadonlySet<string>) => Stream | Failure;

/**
 * Carries a local connection over a stream until both are over. Resolves with why it ended; null: in order.
 * If the agent turns out to be gone, another one gets everything that the visitor has sent so far.
 */
export async function carry(
  local: LocalConnection,
  open: Open,
  agentOf: (stream: Stream) => string | undefined,
  traffic: Traffic,
): Promise<Failure | null> {
  const { readable, writable } = local;
  const { promise, resolve } = deferred<Failure | null>();
  const tried = new Set<string>();
  /** What the visitor sent before the agent answered, at most INITIAL_CREDIT; undefined once it has. */
  let early: Uint8Array[] | undefined = [];
  let readableOver = false;
  let stream: Stream | undefined;
  let agent: string | undefined;

  const finish = (failure: Failure | null): void => {
    stream = undefined;
    if (failure === null) writable.end();
    else local.reset();
    resolve(failure);
  };
  const begin = (): void => {
    const opened = open(tried);
    if ("code" in opened) return finish(opened);
    stream = opened;
    opened.endsHalfClosed = true;
    agent = agentOf(opened);
    stream.events = {
      accepted: () => (early = undefined),
      data: (bytes) => {
        early = undefined;
        traffic.bytesOut += bytes.byteLength;
        writable.write(bytes, (error) => {
          if (error === undefined || error === null) opened.consumed(bytes.byteLength);
        });
      },
      fin: () => void writable.end(),
      writable: () => void readable.resume(),
      ended: (failure) => {
        if (opened.ref !== "") traffic.stream = opened.ref;
        if (failure?.code !== "slot-gone" || early === undefined || agent === undefined) return finish(failure);
        tried.add(agent);
        begin();
      },
    };
    for (const bytes of early ?? []) opened.write(chunkOf(bytes));
    if (readableOver) opened.finish();
    else if (opened.isWritable) readable.resume();
  };

  readable.on("data", (bytes: Buffer) => {
    traffic.bytesIn += bytes.byteLength;
    early?.push(bytes);
    stream?.write(chunkOf(bytes));
    if (stream?.isWritable !== true) readable.pause();
  });
  readable.on("end", () => {
    readableOver = true;
    stream?.finish();
  });
  const broken = (): void => stream?.reset("visitor-gone", "the visitor broke the connection off");
  readable.on("error", broken);
  writable.on("error", broken);
  readable.on("close", () => {
    if (!readableOver) broken();
  });
  begin();
  return promise;
}
