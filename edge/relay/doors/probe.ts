import { TYPE } from "../../../shared/wire/frame.ts";
import { ProbeReport, type ProbeOutcome } from "../../../shared/wire/probe.ts";
import { dataLane } from "../lanes/lane-choice.ts";
import { chooseAgent } from "../site/admission.ts";
import { dialProbe } from "../site/dial.ts";
import type { Site } from "../site/site.ts";

/** Milliseconds an agent gets for a report; its own time limits are shorter. */
const REPORT_MS = 25_000;
/** Characters of the longest report. */
const MAX_REPORT = 64 * 1024;

/** Has the agent that a visitor would get connect to the target of an endpoint, without sending data, and returns its report. */
export async function probe(site: Site, endpoint: string): Promise<ProbeOutcome> {
  await site.ready();
  const at = site.rules.at(endpoint);
  const none = { agent: null, target: "", ms: 0, report: null };
  if (at === undefined)
    return { ...none, failure: { code: "no-mapping", reason: `the relay has no mapping at ${endpoint}` } };
  const { mapping, targetText: target } = at;
  const choice = chooseAgent(site, at, { kind: "public" });
  // If no agent dials the target, one of them reports the reason best.
  const ends = choice.ok ? [choice.agent, ...choice.others] : site.agents.serving.slice(0, 1);
  if (!choice.ok && ends.length === 0) return { ...none, target, failure: choice.failure };
  const dial = dialProbe(at, endpoint, site.records.name());
  const began = performance.now();
  for (const [index, agent] of ends.entries()) {
    const version = [...agent.lanes.values()][0]?.attachment.ready?.version ?? "";
    const { text, failure } = await ask(site, agent.number, dial, mapping.id, dataLane(agent));
    const report = reportIn(text);
    const isDenied = failure?.code === "target-denied" || report?.failure?.code === "target-denied";
    if (isDenied && index < ends.length - 1) continue;
    return { agent: { identity: agent.identity, version }, target, ms: performance.now() - began, report, failure };
  }
  throw new Error("the last agent's answer is returned");
}

function ask(
  { sessions }: Site,
  slot: number,
  dial: Uint8Array,
  mapping: number,
  lane: number,
): Promise<{ text: string; failure: ProbeOutcome["failure"] }> {
  return new Promise((resolve) => {
    const decoder = new TextDecoder();
    let text = "";
    const stream = sessions.session(slot).open(TYPE.DIAL, dial, { mapping, lane });
    // An agent that doesn't know probes connects and sends what it receives from the target, which is not a report.
    const late = setTimeout(() => stream.reset("target-timeout", "no report came in time"), REPORT_MS);
    stream.events = {
      data: (bytes) => {
        text += decoder.decode(bytes, { stream: true });
        stream.consumed(bytes.byteLength);
        if (text.length > MAX_REPORT) stream.reset("internal", "the report is too long");
      },
      fin: () => stream.finish(),
      ended: (failure) => {
        clearTimeout(late);
        resolve({ text, failure });
      },
    };
    sessions.keepTime();
  });
}

function reportIn(text: string): ProbeReport | null {
  try {
    return ProbeReport.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
