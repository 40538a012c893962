import { Command } from "commander";
import type { Context } from "../context.ts";
import { backup, restore } from "../serve/backup.ts";

/** `sallyport backup FOLDER --data DIR` */
export function backupCommand({ output }: Context): Command {
  return new Command("backup")
    .description("Copy all that a self-hosted edge keeps, keys too, into a new folder; the edge may run.")
    .argument("<folder>", "made by this; keep it as you keep secrets")
    .requiredOption("--data <dir>", "the edge's data folder")
    .action((folder: string, { data }: { data: string }) => {
      const stood = backup(data, folder);
      output.err(`backed up into ${folder}${stood > 0 ? `; the edge stood still for ${stood.toFixed(0)} ms` : ""}\n`);
    });
}

/** `sallyport restore FOLDER --data DIR` */
export function restoreCommand({ output }: Context): Command {
  return new Command("restore")
    .description("Put a backup into a new data folder, for serve to run.")
    .argument("<folder>", "what backup has made")
    .requiredOption("--data <dir>", "a data folder that is empty or does not exist")
    .action((folder: string, { data }: { data: string }) => {
      output.err(`restored the state of ${restore(folder, data)}: sallyport serve --data ${data}\n`);
    });
}
