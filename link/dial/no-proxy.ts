import { parseAddress, samePrefix } from "../../shared/address/address.ts";
import { splitHostPort } from "../../shared/address/socket-address.ts";

/**
 * Tells whether a NO_PROXY list exempts a host, by the rules that curl and Go share. Commas or spaces separate entries. `*` is every host;
 * `example.com`, `.example.com` and `*.example.com` are that name and all below it; an address is itself; a network is every address in
 * it, but no name, because names are not resolved for it; `:PORT` narrows any of them. Any other entry is ignored. An IPv6 `host` is in
 * brackets, as in a URL.
 */
export function isExempt(list: string, host: string, port: number): boolean {
  const bare = unbracketed(host.toLowerCase()).replace(/\.$/, "");
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => covers(entry, bare, port));
}

/** Removes the brackets around an IPv6 host of a URL. */
export function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function covers(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return isWithin(entry, host);
  // Only a bare IPv6 address has several colons.
  const split = splitHostPort(entry) ?? { host: entry, port: undefined };
  if (split.port !== undefined && split.port !== String(port)) return false;
  const [named, asked] = [parseAddress(split.host), parseAddress(host)];
  if (named.ok || asked.ok) return named.ok && asked.ok && named.value.text === asked.value.text;
  const name = split.host.replace(/^\*?\.|\.$/g, "");
  return name !== "" && `.${host}`.endsWith(`.${name}`);
}

/** Bits after the prefix are ignored, as Go does: shared/address/cidr.ts is for rules, where they are a mistake. */
function isWithin(network: string, host: string): boolean {
  const [base = "", bits = ""] = network.split("/");
  const [named, asked] = [parseAddress(unbracketed(base)), parseAddress(host)];
  if (!named.ok || !asked.ok || !/^\d+$/.test(bits)) return false;
  const { bytes } = named.value;
  return Number(bits) <= bytes.length * 8 && samePrefix(bytes, asked.value.bytes, Number(bits));
}
