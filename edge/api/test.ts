import { Hono } from "hono";
import * as z from "zod";
import { parseAddress } from "../../shared/address/address.ts";
import type { TestAnswer } from "../../shared/rule/api.ts";
import { endpointKeys } from "../../shared/address/endpoint.ts";
import { failed, notTested, passed, warned, type Hop } from "../../shared/rule/hop.ts";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { decide } from "../../shared/rule/policy.ts";
import type { ProbeOutcome, ProbeReport } from "../../shared/wire/probe.ts";
import { parsed, type Parsed } from "../../shared/rule/parsed.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import { visitorOf } from "../ingress/visitor.ts";
import { problemResponse } from "../problem.ts";
import type { SiteRules } from "../registry/types.ts";
import { relayOf } from "../relay/stub.ts";
import { badRequest, type ApiEnv } from "./context.ts";
import { queryOf } from "./pages.ts";
import { iso } from "./views.ts";

export const TestQuery = z.object({
  endpoint: z.string().max(512),
  /** The visitor's address to check the rules for; by default that of the request. */
  from: z.string().max(64).optional(),
});

/** Milliseconds before a certificate's expiry at which the test warns of it. */
const SOON_MS = 14 * 24 * 3600_000;

/** GET /test?endpoint=E&from=ADDRESS: checks the rules for a visitor's address, and has an agent dial the target as for a visitor. */
export const testRoutes = new Hono<ApiEnv>().get("/", async (c) => {
  const query = queryOf(c, TestQuery);
  if (!query.ok) return query.response;
  const { endpoint, from } = query.value;
  const source = parseAddress(from ?? visitorOf(c.req.raw, c.env));
  if (from !== undefined && !source.ok) return badRequest(source.error.message);
  const registry = registryOf(c.env);
  const found = await registry.mapping(endpoint);
  if (!found.ok) return problemResponse(found.problem);
  const rule = parsed(found.value);
  const { mapping } = rule;
  const rules = await registry.siteRules(mapping.site);
  const policy = policyHop(rule, rules, source.ok ? source.value : null, from !== undefined, Date.now());
  const hops = [policy, ...(await siteHops(c.env, rule))];
  const view: TestAnswer = {
    endpoint: mapping.endpoint,
    site: mapping.site,
    target: mapping.target,
    access: mapping.access,
    from: source.ok ? source.value.text : null,
    hops,
  };
  return c.json(view);
});

function policyHop(
  rule: Parsed<Mapping>,
  rules: SiteRules | null,
  address: Parameters<typeof decide>[2]["address"] | null,
  hasSource: boolean,
  now: number,
): Hop {
  const { endpoint, access, allow, expires } = rule.mapping;
  if (expires !== null && expires <= now) {
    return failed(
      "policy",
      "expired",
      `${endpoint} expired on ${iso(expires)} and lets no visitor in.`,
      `sallyport map edit ${endpoint} --expires 90d`,
    );
  }
  const open = allow.length === 0 ? "every address" : allow.join(", ");
  const how = access === "token" ? "with a token, from " : "";
  if (address === null)
    return notTested(
      "policy",
      "source-unknown",
      `${endpoint} is open ${how}to ${open}; the edge does not know your address.`,
    );
  const via = access === "token" ? "token" : "public";
  const verdict = decide(rule, rules?.grants ?? [], { address, via, now });
  if (verdict.ok) {
    const why = verdict.grant === undefined ? "" : `, by a grant until ${iso(verdict.grant.until)}`;
    return passed("policy", `${address.text} is let in${access === "token" ? " with a token" : ""}${why}.`);
  }
  const text = `${address.text} is not let in: ${verdict.failure.reason}.`;
  const fix = `sallyport map edit ${endpoint} --allow-from CIDR, or sallyport grant ${endpoint} --for 2h`;
  // The person who tests is rarely the visitor, so only a refusal of an address given with `from` is a failure.
  return hasSource
    ? failed("policy", "denied", text, fix)
    : warned("policy", "denied-here", text, "give the visitor's address: --from ADDRESS");
}

async function siteHops(env: Env, { mapping, endpoint }: Parsed<Mapping>): Promise<Hop[]> {
  const site = (await registryOf(env).sites()).find(({ name }) => name === mapping.site);
  if (site === undefined || !site.relaySeen) {
    const text = `No agent of ${mapping.site} has ever been online.`;
    return [
      notTested("edge", "no-relay", "The site has no relay before its first agent."),
      failed("agent", "no-agent", text, startAgent(mapping.site)),
      ...untested("no agent is connected"),
    ];
  }
  const relay = relayOf(env, site.relay);
  // One probe for each transport; a port range is tested at its first port.
  const keys = endpointKeys(endpoint);
  const keysTested = [...new Set([keys[0], keys.find((key) => key.endsWith("/udp"))])].filter(
    (key) => key !== undefined,
  );
  let outcomes: ProbeOutcome[];
  try {
    outcomes = await Promise.all(keysTested.map((key) => relay.probe(key)));
  } catch (error) {
    console.warn(
      `the relay of ${site.name} does not answer: ${error instanceof Error ? error.message : String(error)}`,
    );
    return [
      failed("edge", "relay-silent", `The relay of ${site.name} does not answer.`, "Look at the edge's log."),
      ...untested("the relay does not answer"),
    ];
  }
  const [first] = outcomes;
  if (first === undefined || first.agent === null) {
    const reason = first?.failure?.reason ?? "no agent answers";
    return [
      passed("edge", `The relay of ${site.name} answers.`),
      failed("agent", first?.failure?.code ?? "no-agent", `${upper(reason)}.`, startAgent(site.name)),
      ...untested("no agent is connected"),
    ];
  }
  const several = outcomes.length > 1;
  return [
    passed("edge", `The relay of ${site.name} answers.`),
    agentHop(first),
    ...outcomes.flatMap((outcome, index) =>
      targetHops(outcome, several ? `${keysTested[index]?.split("/")[1] ?? ""}: ` : ""),
    ),
  ];
}

function agentHop({ agent, report, ms, failure }: ProbeOutcome): Hop {
  const name = `${agent?.identity ?? "an agent"} (${agent?.version ?? ""})`;
  if (report !== null) return passed("agent", `${name} answers.`, Math.max(0, ms - report.tookMs));
  if (failure === null)
    return warned("agent", "agent-old", `${name} answers, but is too old to run tests.`, "update the agent");
  return failed("agent", failure.code, `${name} gave no report: ${failure.reason}.`, "run agent status on its machine");
}

function targetHops({ report, target }: ProbeOutcome, prefix: string): Hop[] {
  if (report === null) return untested("the agent gave no report");
  const { failure, dialMs, address, seen, asked } = report;
  if (asked === "" && failure === null) {
    const why =
      address === ""
        ? "Sockets of the agent's machine are not tested."
        : "A UDP service answers only its own protocol, which is not known for this port.";
    return [notTested("target", "not-probed", `${prefix}${why}`)];
  }
  if (failure !== null && dialMs === null) {
    return [
      failed("target", failure.code, `${prefix}${upper(failure.reason)}.`, failure.fix),
      notTested("protocol", "not-tested", `${prefix}There is no connection to test.`),
    ];
  }
  const where = address === target || address === "" ? target : `${target} (${address})`;
  const reached = passed("target", `${prefix}${where} accepts connections.`, dialMs);
  if (failure !== null) {
    const detail = certificateText(report);
    return [
      reached,
      failed(
        "protocol",
        failure.code,
        `${prefix}${target}: ${failure.reason}${detail === "" ? "" : ` (${detail})`}.`,
        failure.fix,
      ),
    ];
  }
  const heard =
    seen === ""
      ? asked === "listen"
        ? "It waits for the visitor to send first."
        : `It did not answer to ${asked}.`
      : `It says: ${seen}`;
  const soon = expiresSoon(report);
  const text = `${prefix}${heard}${report.tls === null ? "" : `, over ${report.tls.version} (${certificateText(report)})`}`;
  if (soon) return [reached, warned("protocol", "certificate-soon", text, "renew the target's certificate")];
  if (seen === "" && asked !== "listen")
    return [reached, warned("protocol", "silent", text, "check that the service uses the usual protocol of its port")];
  return [reached, passed("protocol", text)];
}

function certificateText({ tls }: ProbeReport): string {
  const certificate = tls?.certificate;
  if (certificate === null || certificate === undefined) return "";
  const { subject, issuer, names, from, until } = certificate;
  return `certificate of ${names === "" ? subject : names} by ${issuer}, ${from.slice(0, 10)} to ${until.slice(0, 10)}`;
}

function expiresSoon({ tls }: ProbeReport): boolean {
  const until = tls?.certificate?.until;
  return until !== undefined && Date.parse(until) - Date.now() < SOON_MS;
}

function untested(reason: string): Hop[] {
  return [
    notTested("target", "not-tested", `Not tested: ${reason}.`),
    notTested("protocol", "not-tested", `Not tested: ${reason}.`),
  ];
}

function startAgent(site: string): string {
  return `start the agent inside ${site}: sallyport token agent ${site}, then agent --token-file F there; agent doctor says what is wrong`;
}

function upper(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
