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
    .description("Copy all that a self-hosted edge keeps, keys too, into a new folder; the edge may run.")
    .argument("<folder>", "made by this; keep it as you keep secrets")
    .requiredOption("--data <dir>", "the edge's data folder")
    .action(async (folder: string, { data }: { data: string }) => {
      const { databases, recordError } = await backup(data, folder, untilSignal());
      if (recordError !== undefined)
        output.err(`warning: the data folder does not know of this backup: ${recordError}\n`);
      output.err(`backed up into ${folder}: ${databases} databases, looked through; the edge went on meanwhile\n`);
    });
}

type RestoreOptions = { data: string; former?: string; revokeAgents?: boolean };

/** `sallyport restore FOLDER --data DIR [--former DIR] [--revoke-agents]` */
export function restoreCommand({ env, output }: Context): Command {
  return new Command("restore")
    .description(
      "Put a backup into a new data folder, for serve to run; what was revoked since stays revoked if that is known.",
    )
    .argument("<folder>", "what backup has made")
    .requiredOption("--data <dir>", "a data folder that is empty or does not exist")
    .option(
      "--former <dir>",
      "the data folder that this replaces, or a later backup: what was revoked there is revoked here; without it, the folder that was backed up, if it is there",
    )
    .option("--revoke-agents", "end every token that the backup knows: agents', gateways', visitors' and admins'")
    .action(async (source: string, { data, former, revokeAgents }: RestoreOptions) => {
      const log = createLog({ format: "pretty", level: "warn", write: output.err });
      const revokeAll = revokeAgents === true;
      using prepared = await prepareRestore({ source, data, former, revokeAll, worker: workerSource, env, log });
      const at = await restore(prepared.folder, data, untilSignal());
      output.err(`restored the state of ${at}: sallyport serve --data ${data}\n`);
      for (const text of prepared.messages) output.err(text);
    });
}

/** Aborted when this process is asked to end: what is half made is taken away before. */
function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  return stop.signal;
}
