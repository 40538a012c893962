import type { UsageView } from "../../shared/rule/api.ts";
import { edgeOf, readCommand, type Context, type EdgeOptions } from "../context.ts";
import { printResult } from "../output.ts";
import { table } from "../table.ts";
import type { Command } from "commander";

/** Cloudflare's prices in dollars beyond what the paid plan includes, for one request and one GB-second. */
const PER_REQUEST = 0.15 / 1e6;
const PER_GB_SECOND = 12.5 / 1e6;
/** How many messages are billed as one request. */
const MESSAGES = 20;
/** The memory that an active object is billed for. */
const GIGABYTES = 0.128;

/** The cost of one site this month so far. */
type Cost = {
  site: string;
  requests: number;
  messages: number;
  billedRequests: number;
  gigabyteSeconds: number;
  dollars: number;
};

/** `sallyport costs` */
export function costsCommand(context: Context): Command {
  return readCommand("costs", "Show what each site has cost this month on Cloudflare, estimated from counters.").action(
    async (options: EdgeOptions & { json?: boolean }) => {
      const { usage } = await edgeOf(context, options).call<{ usage: UsageView[] }>("GET", "/usage");
      const costs = costsOf(usage);
      printResult(context.output, options.json === true, costs, () => costsText(costs));
    },
  );
}

/** Sums up days by site. Ignores what the plan includes, because all sites share that. */
export function costsOf(usage: readonly UsageView[]): Cost[] {
  const sums = new Map<string, { requests: number; messages: number; activeMs: number }>();
  for (const { site, requests, messages, activeMs } of usage) {
    const sum = sums.get(site) ?? { requests: 0, messages: 0, activeMs: 0 };
    sums.set(site, {
      requests: sum.requests + requests,
      messages: sum.messages + messages,
      activeMs: sum.activeMs + activeMs,
    });
  }
  return [...sums].map(([site, { requests, messages, activeMs }]) => {
    const billedRequests = requests + Math.ceil(messages / MESSAGES);
    const gigabyteSeconds = (activeMs / 1000) * GIGABYTES;
    return {
      site,
      requests,
      messages,
      billedRequests,
      gigabyteSeconds,
      dollars: billedRequests * PER_REQUEST + gigabyteSeconds * PER_GB_SECOND,
    };
  });
}

function costsText(costs: readonly Cost[]): string {
  if (costs.length === 0) return "no usage this month yet\n";
  return table(costs, [
    { title: "SITE", value: ({ site }) => site },
    { title: "REQUESTS", value: ({ requests }) => String(requests), align: "right" },
    { title: "MESSAGES", value: ({ messages }) => String(messages), align: "right" },
    { title: "BILLED REQUESTS", value: ({ billedRequests }) => String(billedRequests), align: "right" },
    { title: "GB-S", value: ({ gigabyteSeconds }) => gigabyteSeconds.toFixed(1), align: "right" },
    { title: "ABOUT", value: ({ dollars }) => `$${dollars.toFixed(4)}`, align: "right" },
  ]);
}
