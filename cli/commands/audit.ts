import { Command } from "commander";
import type { AuditList, AuditView } from "../../shared/rule/api.ts";
import { wholeNumber } from "../amount.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { parsePast } from "../duration.ts";
import { printResult } from "../output.ts";
import { table } from "../table.ts";

type AuditOptions = EdgeOptions & {
  json?: boolean;
  since?: string;
  actor?: string;
  action?: string;
  subject?: string;
  limit: number;
};

/** `sallyport audit` */
export function auditCommand(context: Context): Command {
  return readCommand(
    "audit",
    "Show who changed what, when and from where: changes, tokens, grants, sessions, exports and refused logins.",
  )
    .option("--since <when>", "only entries since then: 2h, 30d, or a date")
    .option("--actor <who>", "only entries of this actor")
    .option("--action <words>", "only these actions: map, map edit, token, grant, site, login, session, export …")
    .option("--subject <what>", "only entries about this endpoint, site or token")
    .option("--limit <number>", "how many entries, the latest", wholeNumber, 100)
    .action(async (options: AuditOptions) => {
      const edge = edgeOf(context, options);
      const { since, actor, action, subject } = options;
      const wanted = options.limit;
      const filters = {
        ...(since === undefined ? {} : { since: new Date(parsePast(since, context.now())).toISOString() }),
        ...(actor === undefined ? {} : { actor }),
        ...(action === undefined ? {} : { action }),
        ...(subject === undefined ? {} : { subject }),
      };
      let entries: AuditView[] = [];
      for (let before: number | null = 0; before !== null && entries.length < wanted;) {
        const limit = String(Math.min(1000, wanted - entries.length));
        const query = new URLSearchParams({ limit, ...filters, ...(before === 0 ? {} : { before: String(before) }) });
        const page: AuditList = await edge.call<AuditList>("GET", `/audit?${query.toString()}`);
        entries = [...page.entries, ...entries];
        before = page.next;
      }
      printResult(context.output, options.json === true, entries, () =>
        entries.length === 0 ? "no matching entries\n" : listText(entries),
      );
    });
}

function listText(entries: readonly AuditView[]): string {
  return table(entries, [
    { title: "AT", value: ({ at }) => at.slice(0, 19).replace("T", " ") },
    { title: "ACTOR", value: ({ actor }) => actor },
    { title: "FROM", value: ({ from }) => from },
    { title: "ACTION", value: ({ action }) => action },
    { title: "SUBJECT", value: ({ subject }) => subject },
    { title: "DETAIL", value: ({ detail }) => detail },
    { title: "COUNT", value: ({ count = 1 }) => (count === 1 ? "" : String(count)), align: "right" },
    { title: "LAST", value: ({ last = "" }) => last.slice(0, 19).replace("T", " ") },
  ]);
}
