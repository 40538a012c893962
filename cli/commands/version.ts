import { Command } from "commander";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";
import type { Context } from "../context.ts";
import { printResult } from "../output.ts";
import { WORKERD_VERSION } from "../serve/find-workerd.ts";

/** `sallyport version` */
export function versionCommand({ output }: Context): Command {
  return new Command("version")
    .description("Show the versions of this program, its protocol, workerd and Node.")
    .option("--json", "print JSON")
    .action(({ json }: { json?: boolean }) => {
      const versions = { version: VERSION, protocol: PROTOCOL, workerd: WORKERD_VERSION, node: process.version };
      printResult(
        output,
        json === true,
        versions,
        () => `sallyport ${VERSION} (protocol ${PROTOCOL}, workerd ${WORKERD_VERSION}, node ${process.version})\n`,
      );
    });
}
