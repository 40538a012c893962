import { Command } from "commander";
import workerSource from "worker:source";
import { createLog } from "../../link/log.ts";
import type { Context } from "../context.ts";
import { backup } from "../serve/backup.ts";
import { restore } from "../serve/restore.ts";
import { prepareRestore } from "../serve/prepare-restore.ts";

/** `sallyport backup FOLDER --data DIR` */
export function backupCommand({ output }: Context): Command {
  return new Command("backup")
    .description("Copy the data of a self-hosted edge, with its keys, into a new folder; the edge may be running.")
    .argument("<folder>", "the folder to make; protect it like a secret")
    .requiredOption("--data <dir>", "the edge's data folder")
    .action(async (folder: string, { data }: { data: string }) => {
      const { databases, recordError } = await backup(data, folder, untilSignal());
      if (recordError !== undefined)
        output.err(`warning: the backup could not be recorded in the data folder: ${recordError}\n`);
      output.err(`backed up into ${folder}: ${databases} databases, all checked\n`);
    });
}

type RestoreOptions = { data: string; former?: string; revokeAgents?: boolean };

/** `sallyport restore FOLDER --data DIR [--former DIR] [--revoke-agents]` */
export function restoreCommand({ env, output }: Context): Command {
  return new Command("restore")
    .description(
      "Restore a backup into a new data folder for serve; what was revoked since stays revoked, if that is known.",
    )
    .argument("<folder>", "a folder that sallyport backup has made")
    .requiredOption("--data <dir>", "a data folder that is empty or does not exist")
    .option(
      "--former <dir>",
      "the data folder that this replaces, or a later backup, whose revocations are taken over; without it, the folder that was backed up, if it exists",
    )
    .option("--revoke-agents", "revoke every token in the backup: of agents, gateways, visitors and admins")
    .action(async (source: string, { data, former, revokeAgents }: RestoreOptions) => {
      const log = createLog({ format: "pretty", level: "warn", write: output.err });
      const revokeAll = revokeAgents === true;
      using prepared = await prepareRestore({ source, data, former, revokeAll, worker: workerSource, env, log });
      const at = await restore(prepared.folder, data, untilSignal());
      output.err(`restored the state of ${at}; start it: sallyport serve --data ${data}\n`);
      for (const text of prepared.messages) output.err(text);
    });
}

/** Makes a signal that aborts on SIGINT, SIGTERM and SIGHUP, so that unfinished files are removed before this process ends. */
function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  return stop.signal;
}
