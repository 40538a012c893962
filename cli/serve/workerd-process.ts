import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as z from "zod";
import type { Log } from "../../link/log.ts";
import { handOver } from "./handover.ts";
import { forwardLine } from "./workerd-log.ts";

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type WorkerdProcess = {
  pid: number;
  /** Resolves with the ports by socket name when every socket listens. Rejects when workerd ends first. */
  listening: Promise<ReadonlyMap<string, number>>;
  ended: Promise<Exit>;
  /** Sends SIGTERM, then SIGKILL after `graceMs`: workerd waits for as long as a connection is open. */
  stop(graceMs: number): Promise<void>;
};

export type WorkerdOptions = {
  binary: string;
  /** The working folder. */
  folder: string;
  config: string;
  /** The names of all sockets in the config. */
  sockets: readonly string[];
  /** The whole environment of workerd: the variables from which the config takes secrets. */
  secrets: Readonly<Record<string, string>>;
  log: Log;
};

const anyEvent = z.looseObject({ event: z.string() });
const listenEvent = z.object({ event: z.literal("listen"), socket: z.string(), port: z.int() });

/** Starts workerd in a session of its own, so that Ctrl-C in a terminal reaches only the launcher. Throws Problem. */
export function startWorkerd(options: WorkerdOptions): WorkerdProcess {
  const config = handOver(options.config, options.folder);
  const child = spawn(options.binary, ["serve", "--control-fd=3", config.path, "config"], {
    cwd: options.folder,
    env: { ...options.secrets },
    stdio: ["ignore", "pipe", "pipe", "pipe", config.file ?? "ignore"],
    detached: true,
  });
  const ended = new Promise<Exit>((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const watchdog = child.pid === undefined ? undefined : watch(child.pid);
  void ended.then(() => watchdog?.kill("SIGKILL"));
  const lastLines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) =>
      lastLines.splice(0, lastLines.length - 4, forwardLine(line, options.log)),
    );
  }
  const listening = Promise.race([
    allListening(child.stdio[3] as Readable, options.sockets),
    ended.then((end) => Promise.reject(new Error(exitText(end, lastLines)))),
  ]);
  void listening.catch(() => undefined).then(config.done);
  return {
    pid: child.pid ?? -1,
    ended,
    listening,
    stop: async (graceMs) => {
      const kill = setTimeout(() => child.kill("SIGKILL"), graceMs);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(kill);
    },
  };
}

/** Describes how workerd ended, for people. */
export function exitText({ code, signal }: Exit, lastLines: readonly string[] = []): string {
  const how = signal === null ? `workerd ended with code ${code ?? "unknown"}` : `workerd was ended by ${signal}`;
  return lastLines.length === 0 ? how : `${how}: ${lastLines.join("; ")}`;
}

/**
 * Starts a shell that kills workerd when this process ends in any way, SIGKILL too: then its pipe closes.
 * Windows has no such shell; there the next start ends the workerd that is left (stale.ts).
 */
function watch(pid: number): ChildProcess | undefined {
  if (process.platform === "win32") return undefined;
  const shell = spawn("/bin/sh", ["-c", 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  shell.on("error", () => undefined);
  shell.unref();
  return shell;
}

/** Reads workerd's events from `--control-fd` and resolves with the ports by socket name when all these sockets listen. */
export function allListening(control: Readable, sockets: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  return new Promise((resolve) => {
    createInterface({ input: control }).on("line", (line) => {
      const message = anyEvent.parse(JSON.parse(line));
      // workerd also reports its inspector, and later versions may report more.
      if (message.event !== "listen") return;
      const { socket, port } = listenEvent.parse(message);
      ports.set(socket, port);
      if (sockets.every((name) => ports.has(name))) resolve(ports);
    });
  });
}
