import { formatHostPort } from "../../shared/address/socket-address.ts";
import { formatTarget } from "../../shared/address/target.ts";
import type { Options } from "./options.ts";
import { standIn } from "./stand-ins.ts";

/** What to read once everything runs: what is mapped, what to try, what to look at, how to stop. */
export function guide(
  { pairs, bind, listen }: Options,
  edge: string,
  secretFile: string,
  logs: readonly string[],
): string {
  const here = bind === "0.0.0.0" || bind === "::" ? "127.0.0.1" : bind;
  const rows = pairs.map(({ port, target }) => ({
    publicAddress: formatHostPort(bind, port),
    privateAddress: formatTarget(target),
    what: standIn(target)?.what ?? "",
    hint: standIn(target)?.hint(formatHostPort(here, port)) ?? `your client on ${formatHostPort(here, port)}`,
  }));
  const colon = listen.lastIndexOf(":");
  const edgeHost = listen.slice(0, colon);
  const edgePort = listen.slice(colon + 1);
  const hosts = pairs.flatMap(({ target }) => standIn(target)?.name ?? []);
  const isHome = ["127.0.0.1", "0.0.0.0", "[::]"].includes(edgeHost);
  const byName = hosts.map(
    (name) =>
      `curl ${isHome ? "" : `--resolve ${name}:${edgePort}:${edgeHost} `}http://${name}:${edgePort}/     the same page, by host name`,
  );
  const width = Math.max(...rows.map((row) => row.publicAddress.length), "PUBLIC".length);
  const privateWidth = Math.max(...rows.map((row) => row.privateAddress.length), "PRIVATE".length);
  const table = [{ publicAddress: "PUBLIC", privateAddress: "PRIVATE", what: "WHAT IT IS" }, ...rows].map((row) =>
    `  ${row.publicAddress.padEnd(width)}   ${row.privateAddress.padEnd(privateWidth)}   ${row.what}`.trimEnd(),
  );
  return [
    "",
    ...table,
    "",
    "Try",
    ...rows.map((row) => `  ${row.hint}`),
    ...byName.map((hint) => `  ${hint}`),
    "",
    "Look",
    `  http://${listen}/.sallyport/     the dashboard; the secret is in ${secretFile}`,
    `  ${edge} status`,
    `  ${edge} log`,
    ...logs.map((file) => `  tail -f ${file}`),
    "",
    "Ready. Ctrl-C stops everything.",
    "",
  ].join("\n");
}
