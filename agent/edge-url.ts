import { parseEdgeUrl } from "../shared/address/edge-url.ts";
import { EXIT, Problem } from "../link/problem.ts";

/**
 * Parses the URL of an edge, from `--edge` or the token's issuer. Returns its WebSocket URL. Throws Problem if it is malformed, or if it
 * is unencrypted, not on loopback and `insecure` is false: the token could be read on the network.
 */
export function edgeUrl(text: string, insecure: boolean): URL {
  const parsed = parseEdgeUrl(text.replace(/^ws(s?):/, "http$1:"));
  if (!parsed.ok)
    throw new Problem(EXIT.configuration, "bad-edge", parsed.error.message, parsed.error.fix ?? "write https://HOST");
  const { text: canonical, isLoopback, isPlain } = parsed.value;
  if (isPlain && !isLoopback && !insecure) {
    throw new Problem(
      EXIT.configuration,
      "plain-text",
      `${canonical} is unencrypted: the token could be read on the network`,
      "use https://, or add --insecure if the network is trusted",
    );
  }
  return new URL(canonical.replace(/^http/, "ws"));
}
