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
  /** Ports by socket name, once every socket listens. Rejects when workerd ends before. */
  listening: Promise<ReadonlyMap<string, number>>;
  ended: Promise<Exit>;
  /** Asks it to end, and ends it after `graceMs`: it waits for ever while a connection lives. */
  stop(graceMs: number): Promise<void>;
};

export type WorkerdOptions = {
  binary: string;
  /** Where it works. */
  folder: string;
  config: string;
  /** Names of all sockets in the config. */
  sockets: readonly string[];
  /** Environment variables that the config takes secrets from. Nothing else is passed on. */
  secrets: Readonly<Record<string, string>>;
  log: Log;
};

const anyEvent = z.looseObject({ event: z.string() });
const listenEvent = z.object({ event: z.literal("listen"), socket: z.string(), port: z.int() });

/** Starts workerd in a session of its own, so that Ctrl-C in a terminal reaches the launcher alone. Throws Problem. */
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

/** What a process ended with, for people. */
export function exitText({ code, signal }: Exit, lastLines: readonly string[] = []): string {
  const how = signal === null ? `workerd ended with code ${code ?? "unknown"}` : `workerd was ended by ${signal}`;
  return lastLines.length === 0 ? how : `${how}: ${lastLines.join("; ")}`;
}

/**
 * A shell that outlives this process by a moment: when our end of its pipe closes, however we died, it ends workerd.
 * Windows has none; there the next start finds what is left (stale.ts).
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

/** Ports by socket name, from what workerd says to `--control-fd`, once every one of these sockets listens. */
export function allListening(control: Readable, sockets: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  return new Promise((resolve) => {
    createInterface({ input: control }).on("line", (line) => {
      const message = anyEvent.parse(JSON.parse(line));
      // It tells of its inspector too, and may come to tell of more.
      if (message.event !== "listen") return;
      const { socket, port } = listenEvent.parse(message);
      ports.set(socket, port);
      if (sockets.every((name) => ports.has(name))) resolve(ports);
    });
  });
}
