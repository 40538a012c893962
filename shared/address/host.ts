import { parseAddress } from "./address.ts";
import { fault, ok, quote, type Result } from "../result.ts";
import { type HostPort, parseHostAddress } from "./socket-address.ts";

const MAX_NAME = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
// What browsers and inet_aton take for IPv4: a name ending in a decimal or hexadecimal number (127.1, 0x7f.1, 017.0.0.1).
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/**
 * Parses a host by name or address into its canonical spelling: lower case, no trailing dot, addresses without brackets.
 * `nvr.lan`, `192.168.2.5`, `fd00::5` (given in brackets). Names are ASCII: international ones in punycode.
 * Underscores are allowed, because devices in LANs have them.
 */
export function parseHost(split: HostPort): Result<string> {
  const { host, inBrackets } = split;
  if (inBrackets || parseAddress(host).ok) {
    const address = parseHostAddress(split);
    return address.ok ? ok(address.value.text) : address;
  }
  return parseHostName(host);
}

/** Parses a host name, as `parseHost` does. */
export function parseHostName(text: string): Result<string> {
  // Before lower-casing, which turns some letters of other scripts into ASCII.
  if (/\P{ASCII}/u.test(text)) {
    return fault("bad-host", `${quote(text)} is not in ASCII.`, "Write international names in punycode (xn--…).");
  }
  const name = text.toLowerCase().replace(/\.$/, "");
  if (ENDS_IN_NUMBER.test(name)) {
    return fault(
      "bad-host",
      `${quote(text)} looks like an address but is not a valid one.`,
      "Write IPv4 as four decimal numbers, 127.0.0.1.",
    );
  }
  if (name.length <= MAX_NAME && name.split(".").every((label) => LABEL.test(label))) return ok(name);
  return fault("bad-host", `${quote(text)} is not a host name.`, "Use letters, digits, hyphens and dots.");
}
