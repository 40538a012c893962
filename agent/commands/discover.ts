import { createLog } from "../../link/log.ts";
import type { Address } from "../../shared/address/address.ts";
import type { Meanings } from "../../shared/address/target-rule.ts";
import { clean } from "../../shared/text.ts";
import { announcedServices } from "../discover/multicast.ts";
import { probe } from "../discover/probe.ts";
import { MAX_ADDRESSES, scopeOf } from "../discover/scope.ts";
import { KNOWN_SERVICES, type KnownService } from "../discover/known-services.ts";
import { mayDial } from "../../shared/rule/target-policy.ts";
import { resolveDenied, type TargetPolicy } from "../policy.ts";
import { settingsOf, type Options } from "../settings.ts";

export type DiscoverOptions = Options & { json?: boolean };

/** A target that answers, and the command that maps it: without a public port, for clients with a visitor token. */
export type Proposal = { target: string; service: string; what: string; map: string };

/** The most connections open at once. */
const MAX_CONNECTIONS = 128;

/** `agent discover`: finds what answers within the ranges that this agent may dial. Resolves with the text to print. Throws Problem. */
export async function discover(options: DiscoverOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const { json, ...flags } = options;
  const { claims, allow, deny } = settingsOf(
    flags,
    env,
    createLog({ format: "pretty", level: "error", write: () => {} }),
  );
  const policy: TargetPolicy = { claims, allow, deny };
  const { addresses, isTruncated } = scopeOf(policy);
  const known = addresses.flatMap((address) => KNOWN_SERVICES.map((service) => ({ address, service, what: "" })));
  const announcements = (await announcedServices()).map(({ address, port, what, service = serviceAt(port) }) => ({
    address,
    service,
    what,
  }));
  const candidates = await allowed(policy, [...announcements, ...known]);
  if (isTruncated)
    process.stderr.write(`only the first ${MAX_ADDRESSES} addresses are tried; name fewer with --allow\n`);

  const found = new Map<string, Proposal>();
  await each(candidates, MAX_CONNECTIONS, async ({ address, service, what }) => {
    const target = `${address.text}:${service.port}`;
    if (found.has(target)) return;
    const answer = await probe(address.text, service);
    if (answer === null || found.has(target)) return;
    found.set(
      target,
      proposal(claims.site, address.text, service, [what, answer].filter((part) => part !== "").join(", ")),
    );
  });
  const proposals = [...found.values()].toSorted((a, b) => a.target.localeCompare(b.target, "en", { numeric: true }));
  return json === true ? `${JSON.stringify(proposals, undefined, 2)}\n` : text(proposals);
}

/** Keeps the candidates that the agent may dial by token and rules, as for a stream. No other address is sent a byte. */
async function allowed<T extends { address: Address; service: KnownService }>(
  policy: TargetPolicy,
  all: readonly T[],
): Promise<T[]> {
  const ports = [...new Set(all.map(({ service }) => service.port))];
  const meanings = new Map<number, Meanings>();
  for (const port of ports) meanings.set(port, await resolveDenied(policy.deny, port));
  return all.filter(({ address, service: { port } }) =>
    mayDial(policy, { host: address.text, address, port }, meanings.get(port) ?? new Map()),
  );
}

function serviceAt(port: number): KnownService {
  return KNOWN_SERVICES.find((known) => known.port === port) ?? { port, name: "web", ask: "http" };
}

function proposal(site: string, address: string, { port, name }: KnownService, what: string): Proposal {
  const service = `${name}-${address.split(".").slice(-1)[0] ?? "0"}${name === "web" ? `-${port}` : ""}`;
  const target = `${address}:${port}`;
  return { target, service: name, what, map: `sallyport map add ${site}/${service} ${site} ${target}` };
}

async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function text(proposals: readonly Proposal[]): string {
  if (proposals.length === 0) return "nothing answers within the ranges this agent may dial\n";
  const width = Math.max(...proposals.map(({ target }) => target.length));
  return proposals
    .map(
      ({ target, service, what, map }) =>
        `${target.padEnd(width)}  ${service.padEnd(8)}  ${clean(what, 100)}\n${" ".repeat(width + 2)}${map}\n`,
    )
    .join("");
}
