import * as z from "zod";

/**
 * What goes with a DIAL as JSON: how this mapping is to be served, and what of its limits only an agent can keep.
 * Unknown members are of a newer edge and mean nothing here.
 */
export const DialOptions = z.object({
  /** The relay only forwards this stream: the agent says how it ended. */
  report: z.boolean().optional(),
  /** Only try the target and tell (shared/wire/probe.ts). */
  probe: z.boolean().optional(),
  /** TCP: the header to send the target first. */
  proxyProtocol: z.enum(["v1", "v2"]).optional(),
  /** Streams and flows of this mapping at once. */
  maxStreams: z.number().optional(),
  /** Bytes a second, of each direction, of all streams of this mapping together. */
  bytesPerSecond: z.number().positive().optional(),
  /** Streams and flows at once of the token behind the stream. */
  tokenStreams: z.number().optional(),
  /** UDP: seconds without a datagram after which the flow is over. */
  idleSeconds: z.number().optional(),
  /** UDP: answers stay within three times what the visitor sent; `first`: only until it has answered. */
  guard: z.enum(["first", "always"]).optional(),
  /** The visitor came by a token that opens the endpoint; absent: as the public does, or by a grant. */
  via: z.literal("token").optional(),
  /** Milliseconds since 1970 at which the rule, grant or token behind it ends. */
  until: z.number().optional(),
});
export type DialOptions = z.infer<typeof DialOptions>;

/** "" for none: nothing travels. */
export function encodeDialOptions(options: DialOptions): string {
  const text = JSON.stringify(options);
  return text === "{}" ? "" : text;
}

/** Options read lately: all visitors of a mapping come with the same. */
const read = new Map<string, DialOptions>();
const MOST_READ = 100;

/** Undefined for anything that is not the options of a DIAL. */
export function decodeDialOptions(text: string): Readonly<DialOptions> | undefined {
  if (text === "") return {};
  const known = read.get(text);
  if (known !== undefined) return known;
  try {
    const options = DialOptions.safeParse(JSON.parse(text)).data;
    if (options === undefined) return undefined;
    if (read.size >= MOST_READ) read.clear();
    read.set(text, options);
    return options;
  } catch {
    return undefined;
  }
}
