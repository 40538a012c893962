import type { Caps } from "../../../shared/rule/claims.ts";
import { encodeDialOptions, type DialOptions } from "../../../shared/wire/dial-options.ts";
import { encodeFields } from "../../../shared/wire/fields.ts";
import type { Grant } from "../../../shared/rule/grant.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import { encodeDial } from "../../../shared/wire/open.ts";
import { isListed } from "../../../shared/rule/policy.ts";
import { mayReflect } from "../../../shared/rule/warnings.ts";
import type { MappedEndpoint } from "./mapped-endpoint.ts";
import { capsOf, tokenOf, viaOf, type Visit } from "./visit.ts";

// What agents are told to dial. DIAL is written here alone.

/** Who a stream is for: `visitor` is what the target may be told, `ref` what logs call the stream. */
export type StreamNames = { readonly visitor: string; readonly ref: string };

/** The endpoint that a visitor was let in to, and the grant if it was one that did. */
type Permission = { readonly at: MappedEndpoint; readonly grant: Grant | undefined };

/** DIAL of a byte stream or a flow. */
export function dialStream({ at, grant }: Permission, visit: Visit, { visitor, ref }: StreamNames): Uint8Array {
  const { endpoint, by } = visit;
  const { mapping, kind } = at;
  return encodeDial({
    target: at.targetText,
    kind,
    mapping: mapping.id,
    endpoint,
    visitor,
    options: encodeDialOptions({
      ...(kind === "tcp" && mapping.proxyProtocol !== null ? { proxyProtocol: mapping.proxyProtocol } : {}),
      ...limitsOf(mapping, capsOf(by)),
      ...(by.kind === "lane" ? forwardedOptions(at, visit, grant?.until) : {}),
    }),
    token: tokenOf(by),
    grant: grant?.id ?? "",
    ref,
  });
}

/** What an agent has to do itself for a stream that the relay only forwards. */
function forwardedOptions(
  { rule, mapping, kind }: MappedEndpoint,
  { by, address }: Visit,
  granted: number | undefined,
): DialOptions {
  const isClient = viaOf(by) === "token";
  // The relay cuts what an expired mapping leaves behind, for its end may be moved while streams are open.
  // A gateway renews its token and goes on; a visitor's token ends what it opened.
  const ends = [granted, by.kind === "lane" && isClient ? by.pass.expires * 1000 : undefined];
  const until = Math.min(...ends.map((each) => each ?? Infinity));
  // Sources that a list or a grant names are no strangers, and nobody else can be flooded by forging them.
  const isNamed = granted !== undefined || (address !== undefined && isListed(rule.sources, address));
  const isProved = isClient || isNamed || mapping.reflectorOk;
  return {
    report: true,
    ...(isClient ? { via: "token" as const } : {}),
    ...(kind === "udp" && mapping.idleSeconds !== null ? { idleSeconds: mapping.idleSeconds } : {}),
    ...(kind === "udp" && !isProved ? { guard: mayReflect(rule) ? ("always" as const) : ("first" as const) } : {}),
    ...(until < Infinity ? { until } : {}),
  };
}

/** The part of DIAL that is the same for all requests, once for each revision of a mapping. */
const fixedParts = new WeakMap<Mapping, Uint8Array>();

/** DIAL of a request at a host. */
export function dialHttp({ at, grant }: Permission, { by }: Visit, { visitor, ref }: StreamNames): Uint8Array {
  const caps = capsOf(by);
  const hasDefaultCaps = caps.streams === undefined;
  const fixed = (hasDefaultCaps ? fixedParts.get(at.mapping) : undefined) ?? fixedPart(at, caps);
  if (hasDefaultCaps) fixedParts.set(at.mapping, fixed);
  const own = encodeFields({ 5: visitor, 7: tokenOf(by) || undefined, 8: grant?.id || undefined, 10: ref });
  const dial = new Uint8Array(fixed.byteLength + own.byteLength);
  dial.set(fixed);
  dial.set(own, fixed.byteLength);
  return dial;
}

function fixedPart(at: MappedEndpoint, caps: Caps): Uint8Array {
  const { mapping, endpoint: concrete } = at;
  const { endpoint, http } = mapping;
  const prefix = http?.prefix === "strip" && concrete.kind === "http" ? concrete.prefix : "";
  return dialWithoutVisitor(at, endpoint, JSON.stringify({ ...http, prefix, ...limitsOf(mapping, caps) }));
}

/** DIAL that has an agent try a target and tell how it went, and carries nothing. */
export function dialProbe(at: MappedEndpoint, endpoint: string, ref: string): Uint8Array {
  const { mapping, kind } = at;
  const options =
    kind === "http" ? JSON.stringify({ ...mapping.http, probe: true }) : encodeDialOptions({ probe: true });
  return dialWithoutVisitor(at, endpoint, options, ref);
}

/** DIAL for no visitor in particular. */
function dialWithoutVisitor(
  { mapping, kind, targetText }: MappedEndpoint,
  endpoint: string,
  options: string,
  ref = "",
): Uint8Array {
  const noVisitor = { visitor: "", token: "", grant: "" };
  return encodeDial({ target: targetText, kind, mapping: mapping.id, endpoint, options, ref, ...noVisitor });
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
