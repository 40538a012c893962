import { parseEdgeUrl } from "../shared/address/edge-url.ts";
import { EXIT, Problem } from "../link/problem.ts";

/** The WebSocket URL of an edge, from `--edge` or the token's issuer. Plain text only to loopback or when told so: it shows the token to whoever is on the way. */
export function edgeUrl(text: string, insecure: boolean): URL {
  const parsed = parseEdgeUrl(text.replace(/^ws(s?):/, "http$1:"));
  if (!parsed.ok)
    throw new Problem(EXIT.configuration, "bad-edge", parsed.error.message, parsed.error.fix ?? "write https://HOST");
  const { text: canonical, isLoopback, isPlain } = parsed.value;
  if (isPlain && !isLoopback && !insecure) {
    throw new Problem(
      EXIT.configuration,
      "plain-text",
      `${canonical} is not encrypted: the token could be read on the way`,
      "use https://, or add --insecure if the path is safe in itself",
    );
  }
  return new URL(canonical.replace(/^http/, "ws"));
}
