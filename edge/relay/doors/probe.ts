import { encodeDialOptions } from "../../../shared/dial-options.ts";
import { parseEndpoint } from "../../../shared/endpoint.ts";
import { TYPE } from "../../../shared/frame.ts";
import { encodeDial } from "../../../shared/open.ts";
import { ProbeReport, type ProbeOutcome } from "../../../shared/probe.ts";
import { known } from "../../../shared/result.ts";
import { targetOf, type Doorman, type DoormanHost } from "./tcp.ts";
import { dataLane } from "../lanes/lane-choice.ts";

/** Milliseconds an agent gets for a report: its own steps end before that. */
const REPORT_MS = 25_000;
/** Bytes of one. */
const MOST = 64 * 1024;

/** Has an agent try the target of an endpoint, over the way that visitors take, and carries nothing. */
export async function probe(host: DoormanHost, doorman: Doorman, endpoint: string): Promise<ProbeOutcome> {
  if (host.rules.revision < 0) await host.refresh();
  const mapping = host.rules.at(endpoint);
  const none = { agent: null, target: "", ms: 0, report: null };
  if (mapping === undefined)
    return { ...none, failure: { code: "no-mapping", reason: `the relay knows no mapping at ${endpoint}` } };
  const target = targetOf(mapping, endpoint);
  const end = doorman.choose();
  if (end === undefined)
    return { ...none, target, failure: { code: "no-agent", reason: `no agent of ${mapping.site} is online` } };
  const version = [...end.lanes.values()][0]?.attachment.ready?.version ?? "";
  const at = known(parseEndpoint(endpoint));
  const kind = at.kind === "http" ? "http" : at.kind === "port" && at.transport === "udp" ? "udp" : "tcp";
  const dial = encodeDial({
    target,
    kind,
    mapping: mapping.id,
    endpoint,
    visitor: "",
    options: kind === "http" ? JSON.stringify({ ...mapping.http, probe: true }) : encodeDialOptions({ probe: true }),
    token: "",
    grant: "",
    hops: 0,
    ref: host.records.name(),
  });
  const began = performance.now();
  const { text, failure } = await ask(host, end.number, dial, mapping.id, dataLane(end));
  return {
    agent: { identity: end.identity, version },
    target,
    ms: performance.now() - began,
    report: reportIn(text),
    failure,
  };
}

function ask(
  { ingress }: DoormanHost,
  slot: number,
  dial: Uint8Array,
  mapping: number,
  lane: number,
): Promise<{ text: string; failure: ProbeOutcome["failure"] }> {
  return new Promise((resolve) => {
    const decoder = new TextDecoder();
    let text = "";
    const stream = ingress.session(slot).open(TYPE.DIAL, dial, { mapping, lane });
    // An agent that knows no probes connects and waits: what it heard meanwhile is no report.
    const late = setTimeout(() => stream.reset("target-timeout", "no report came in time"), REPORT_MS);
    stream.events = {
      data: (bytes) => {
        text += decoder.decode(bytes, { stream: true });
        stream.consumed(bytes.byteLength);
        if (text.length > MOST) stream.reset("internal", "the report is too long");
      },
      fin: () => stream.finish(),
      ended: (failure) => {
        clearTimeout(late);
        resolve({ text, failure });
      },
    };
    ingress.keepTime();
  });
}

function reportIn(text: string): ProbeReport | null {
  try {
    return ProbeReport.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
