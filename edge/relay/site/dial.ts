import type { Caps } from "../../../shared/rule/claims.ts";
import { encodeDialOptions, type DialOptions } from "../../../shared/wire/dial-options.ts";
import { parseEndpoint } from "../../../shared/address/endpoint.ts";
import { encodeFields } from "../../../shared/wire/fields.ts";
import type { Grant } from "../../../shared/rule/grant.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import { encodeDial, type Kind } from "../../../shared/wire/open.ts";
import { isListed } from "../../../shared/rule/policy.ts";
import { known } from "../../../shared/result.ts";
import { formatTarget, parseTarget, targetAt } from "../../../shared/address/target.ts";
import { mayReflect } from "../../../shared/rule/warnings.ts";
import { capsOf, tokenOf, viaOf, type Visit } from "./visit.ts";

// What agents are told to dial. DIAL is written here alone.

/** Who a stream is for: `visitor` is what the target may be told, `ref` what logs call the stream. */
export type Named = { readonly visitor: string; readonly ref: string };

/** The rule, and the grant if it was one, that let a visitor in. */
type Let = { readonly mapping: Mapping; readonly grant: Grant | undefined };

/** DIAL of a byte stream or a flow. */
export function dialStream({ mapping, grant }: Let, visit: Visit, { visitor, ref }: Named): Uint8Array {
  const { endpoint, by } = visit;
  const kind = kindOf(endpoint);
  return encodeDial({
    target: targetOf(mapping, endpoint),
    kind,
    mapping: mapping.id,
    endpoint,
    visitor,
    options: encodeDialOptions({
      ...(kind === "tcp" && mapping.proxyProtocol !== null ? { proxyProtocol: mapping.proxyProtocol } : {}),
      ...limitsOf(mapping, capsOf(by)),
      ...(by.kind === "lane" ? forwardedOptions(mapping, kind, visit, grant?.until) : {}),
    }),
    token: tokenOf(by),
    grant: grant?.id ?? "",
    ref,
  });
}

/** What an agent has to do itself for a stream that the relay only forwards. */
function forwardedOptions(
  mapping: Mapping,
  kind: Kind,
  { by, address }: Visit,
  granted: number | undefined,
): DialOptions {
  const isClient = viaOf(by) === "token";
  // The relay cuts what an expired mapping leaves behind, for its end may be moved while streams are open.
  // A gateway renews its token and goes on; a visitor's token ends what it opened.
  const ends = [granted, by.kind === "lane" && isClient ? by.pass.expires * 1000 : undefined];
  const until = Math.min(...ends.map((each) => each ?? Infinity));
  // Sources that a list or a grant names are no strangers, and nobody else can be flooded by forging them.
  const isNamed = granted !== undefined || (address !== undefined && isListed(mapping, address));
  const isProved = isClient || isNamed || mapping.reflectorOk;
  return {
    report: true,
    ...(isClient ? { via: "token" as const } : {}),
    ...(kind === "udp" && mapping.idleSeconds !== null ? { idleSeconds: mapping.idleSeconds } : {}),
    ...(kind === "udp" && !isProved ? { guard: mayReflect(mapping) ? ("always" as const) : ("first" as const) } : {}),
    ...(until < Infinity ? { until } : {}),
  };
}

/** The part of DIAL that is the same for all requests, once for each revision of a mapping. */
const fixedParts = new WeakMap<Mapping, Uint8Array>();

/** DIAL of a request at a host. */
export function dialHttp({ mapping, grant }: Let, { by }: Visit, { visitor, ref }: Named): Uint8Array {
  const caps = capsOf(by);
  const isUsual = caps.streams === undefined;
  const fixed = (isUsual ? fixedParts.get(mapping) : undefined) ?? fixedPart(mapping, caps);
  if (isUsual) fixedParts.set(mapping, fixed);
  const own = encodeFields({ 5: visitor, 7: tokenOf(by) || undefined, 8: grant?.id || undefined, 10: ref });
  const dial = new Uint8Array(fixed.byteLength + own.byteLength);
  dial.set(fixed);
  dial.set(own, fixed.byteLength);
  return dial;
}

function fixedPart(mapping: Mapping, caps: Caps): Uint8Array {
  const { endpoint, http } = mapping;
  const prefix = http?.prefix === "strip" ? endpoint.replace(/^https?:\/\/[^/]*/, "") : "";
  return without(mapping, endpoint, JSON.stringify({ ...http, prefix, ...limitsOf(mapping, caps) }));
}

/** DIAL that has an agent try a target and tell how it went, and carries nothing. */
export function dialProbe(mapping: Mapping, endpoint: string, ref: string): Uint8Array {
  const isHttp = kindOf(endpoint) === "http";
  const options = isHttp ? JSON.stringify({ ...mapping.http, probe: true }) : encodeDialOptions({ probe: true });
  return without(mapping, endpoint, options, ref);
}

/** DIAL for no visitor in particular. */
function without(mapping: Mapping, endpoint: string, options: string, ref = ""): Uint8Array {
  const unsaid = { visitor: "", token: "", grant: "" };
  const target = targetOf(mapping, endpoint);
  return encodeDial({ target, kind: kindOf(endpoint), mapping: mapping.id, endpoint, options, ref, ...unsaid });
}

export function kindOf(endpoint: string): Kind {
  const parsed = known(parseEndpoint(endpoint));
  if (parsed.kind === "http") return "http";
  return parsed.kind === "port" && parsed.transport === "udp" ? "udp" : "tcp";
}

/** The one target behind a concrete endpoint of a mapping. */
export function targetOf(mapping: Mapping, endpoint: string): string {
  // Only ranges, and ports of both transports, have endpoints with another name than their own.
  if (endpoint === mapping.endpoint) return mapping.target;
  const target = known(parseTarget(mapping.target));
  const range = known(parseEndpoint(mapping.endpoint));
  const at = known(parseEndpoint(endpoint));
  if (target.kind !== "port" || range.kind !== "port" || at.kind !== "port") return mapping.target;
  return formatTarget(targetAt(target, range, at.first));
}

/** What only agents can count and pace: they see the streams of all callers. */
function limitsOf({ maxStreams, bytesPerSecond }: Mapping, { streams }: Caps): DialOptions {
  return {
    ...(maxStreams === null ? {} : { maxStreams }),
    ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
    ...(streams === undefined ? {} : { tokenStreams: streams }),
  };
}

/** Whether one agent has to see all streams, or several would each keep a limit for themselves. */
export function needsOne({ maxStreams, bytesPerSecond }: Mapping, caps: Caps): boolean {
  return maxStreams !== null || bytesPerSecond !== null || caps.streams !== undefined;
}
