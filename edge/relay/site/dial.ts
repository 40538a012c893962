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

// Builds the DIAL frames by which agents connect to targets; no other file does.

/** `visitor`: the address that the target may be given; `ref` identifies the stream in logs. */
export type StreamNames = { readonly visitor: string; readonly ref: string };

/** The endpoint that a visitor was admitted to, and the grant that admitted it, if one did. */
type Permission = { readonly at: MappedEndpoint; readonly grant: Grant | undefined };

/** Builds DIAL for a byte stream or a flow. */
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

/** Returns the options by which an agent itself reports, guards and ends a stream that the relay only forwards. */
function forwardedOptions(
  { rule, mapping, kind }: MappedEndpoint,
  { by, address }: Visit,
  granted: number | undefined,
): DialOptions {
  const isClient = viaOf(by) === "token";
  // The mapping's expiry is not included: it may be changed while streams are open, so the relay cuts them when it comes.
  // The expiry of a visitor token ends its streams; a gateway renews its token, and its streams go on.
  const ends = [granted, by.kind === "lane" && isClient ? by.pass.expires * 1000 : undefined];
  const until = Math.min(...ends.map((each) => each ?? Infinity));
  // Sources named by a list or a grant are trusted: forging one can flood only that source.
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

/** Caches the part of DIAL that is the same for all requests of a mapping; a changed mapping is a new object. */
const fixedParts = new WeakMap<Mapping, Uint8Array>();

/** Builds DIAL for an HTTP request. */
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

/** Builds DIAL for a probe: the agent connects to the target and reports the result, and carries no data. */
export function dialProbe(at: MappedEndpoint, endpoint: string, ref: string): Uint8Array {
  const { mapping, kind } = at;
  const options =
    kind === "http" ? JSON.stringify({ ...mapping.http, probe: true }) : encodeDialOptions({ probe: true });
  return dialWithoutVisitor(at, endpoint, options, ref);
}

/** Builds DIAL without the fields of a visitor. */
function dialWithoutVisitor(
  { mapping, kind, targetText }: MappedEndpoint,
  endpoint: string,
  options: string,
  ref = "",
): Uint8Array {
  const noVisitor = { visitor: "", token: "", grant: "" };
  return encodeDial({ target: targetText, kind, mapping: mapping.id, endpoint, options, ref, ...noVisitor });
}

/** Returns the limits that agents enforce, as only they see the streams of all callers. */
function limitsOf({ maxStreams, bytesPerSecond }: Mapping, { streams }: Caps): DialOptions {
  return {
    ...(maxStreams === null ? {} : { maxStreams }),
    ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
    ...(streams === undefined ? {} : { tokenStreams: streams }),
  };
}

/** Whether one agent must take all streams of a mapping: several agents would each apply the limit separately. */
export function needsSingleAgent({ maxStreams, bytesPerSecond }: Mapping, caps: Caps): boolean {
  return maxStreams !== null || bytesPerSecond !== null || caps.streams !== undefined;
}
