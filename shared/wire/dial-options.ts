import * as z from "zod";

/**
 * The options of a DIAL, as JSON: how the agent serves this mapping, and the limits that only an agent can enforce. Unknown
 * members come from a newer edge and are ignored.
 */
export const DialOptions = z.object({
  /** The relay only forwards this stream: the agent sends a REPORT when it ends. */
  report: z.boolean().optional(),
  /** Only try the target, and send a report of it (shared/wire/probe.ts). */
  probe: z.boolean().optional(),
  /** TCP: version of the PROXY header to send to the target first. */
  proxyProtocol: z.enum(["v1", "v2"]).optional(),
  /** Most streams and flows of this mapping at once. */
  maxStreams: z.number().optional(),
  /** Bytes per second in each direction, over all streams of this mapping. */
  bytesPerSecond: z.number().positive().optional(),
  /** Most streams and flows at once of the token that opened the stream. */
  tokenStreams: z.number().optional(),
  /** UDP: seconds without a datagram after which the flow ends. */
  idleSeconds: z.number().optional(),
  /** UDP: answers stay within three times the bytes that the visitor sent; with `first`, until the visitor has answered. */
  guard: z.enum(["first", "always"]).optional(),
  /** `token`: a token let the visitor in. Absent: the endpoint is public, or a grant let it in. */
  via: z.literal("token").optional(),
  /** Milliseconds since 1970 at which the rule, grant or token that allows the stream expires. */
  until: z.number().optional(),
});
export type DialOptions = z.infer<typeof DialOptions>;

/** Encodes options as JSON; "" for none, so that DIAL has no such field. */
export function encodeDialOptions(options: DialOptions): string {
  const text = JSON.stringify(options);
  return text === "{}" ? "" : text;
}

/** Options decoded lately: all visitors of a mapping have the same. */
const read = new Map<string, DialOptions>();
const MAX_READ = 100;

/** Decodes options. Undefined if the text is malformed. */
export function decodeDialOptions(text: string): Readonly<DialOptions> | undefined {
  if (text === "") return {};
  const known = read.get(text);
  if (known !== undefined) return known;
  try {
    const options = DialOptions.safeParse(JSON.parse(text)).data;
    if (options === undefined) return undefined;
    if (read.size >= MAX_READ) read.clear();
    read.set(text, options);
    return options;
  } catch {
    return undefined;
  }
}
