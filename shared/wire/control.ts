import * as z from "zod";
import { SessionError } from "./errors.ts";
import { encodeFrame, type Frame, type TypeCode, typeName } from "./frame.ts";
import { GRACE_MS, MAX_CONTROL, MAX_GRACE_MS, MAX_LANES, DEFAULT_DATA } from "./limits.ts";

// JSON payloads of lane frames (docs/protocol.md section 3.1, 3.2). None of them is on the data path.

const text = z.string().max(200);
const count = z.int().min(0);
const rules = z.array(z.string().max(4_096)).max(4_096);
/** An end that does not say takes what all take. */
const frameBytes = count.min(DEFAULT_DATA).default(DEFAULT_DATA);

export const Hello = z.object({
  protocol: z.int(),
  kind: z.enum(["agent", "client", "gateway"]),
  incarnation: z.string().regex(/^[0-9a-f]{32}$/),
  lane: z
    .int()
    .min(0)
    .max(MAX_LANES - 1),
  version: text,
  /** Bytes of the largest DATA frame that this end takes. */
  frameBytes,
  features: z.array(text).max(32),
  /** This end has no other lane: what the relay still holds of it is dead. */
  alone: z.boolean().optional(),
  /** Another process with this token was serving: this one takes over only when that one is gone. */
  standby: z.boolean().optional(),
  /** Agents: their own rules of targets, `--allow` and `--deny`. The relay chooses by them; they let nothing in. */
  reach: z.object({ allow: rules, deny: rules }).optional(),
});
export type Hello = z.infer<typeof Hello>;

export const Welcome = z.object({
  protocol: z.int(),
  boot: text,
  instance: text,
  epoch: count,
  site: text,
  slot: count.optional(),
  channel: count.optional(),
  /** The token has lapsed: RENEW is all that may be said here. */
  renew: z.boolean().optional(),
  /** Another process with this token serves: the relay closes this lane when that one is gone, and nothing is said here until then. */
  standby: z.boolean().optional(),
  budget: count,
  time: z.number(),
  /** Milliseconds that sessions outlive their lanes at this edge; 0: not at all. */
  graceMs: count.max(MAX_GRACE_MS).default(GRACE_MS),
  version: text,
  limits: z.object({ frameBytes: count, streams: count, opensPerSecond: count }),
  features: z.array(text).max(32),
});
export type Welcome = z.infer<typeof Welcome>;

export const Routes = z.object({
  slots: z.array(z.object({ slot: count, incarnation: text, agent: text, frameBytes })),
  endpoints: z.array(
    z.object({
      endpoint: z.string(),
      kind: z.enum(["tcp", "udp", "http"]),
      access: z.enum(["public", "token"]),
      slots: z.array(count),
    }),
  ),
});
export type Routes = z.infer<typeof Routes>;

export const Goaway = z.object({ code: text, reason: text });
export type Goaway = z.infer<typeof Goaway>;

/** What of a mapping's rule decides on streams that are open already. */
export const Keep = z.object({
  access: z.enum(["public", "token"]),
  allow: z.array(text),
  deny: z.array(text),
  maxStreams: count.nullable(),
});
export type Keep = z.infer<typeof Keep>;

/** Ends all that a removed rule allowed: exactly one subject. */
export const Cut = z
  .object({
    mapping: count.optional(),
    token: text.optional(),
    grant: text.optional(),
    /** With `mapping`: what its changed rule still allows stays open. Agents that don't know this end all of it. */
    keep: Keep.optional(),
    code: text,
    reason: z.string().max(300),
  })
  .refine(
    ({ mapping, token, grant }) => [mapping, token, grant].filter((each) => each !== undefined).length === 1,
    "names not exactly one subject",
  );
export type Cut = z.infer<typeof Cut>;

/** How a client's or gateway's stream ended: the relay, which only forwards, has not counted it. */
export const Report = z.object({
  at: z.number(),
  ended: z.number(),
  mapping: count,
  /** `jti` of the token behind it. */
  token: text,
  endpoint: text,
  target: text,
  visitor: text,
  bytesIn: count,
  bytesOut: count,
  outcome: z.enum(["done", "refused", "reset", "lost", "cut"]),
  code: text,
  reason: z.string().max(300),
  /** Absent from agents that don't know it yet. */
  ref: text.optional(),
});
export type Report = z.infer<typeof Report>;

export const Renew = z.union([
  z.object({ token: z.string().max(8192) }),
  z.object({ code: text, reason: z.string().max(300) }),
  z.object({}).strict(),
]);
export type Renew = z.infer<typeof Renew>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A lane frame with a JSON payload. */
export function encodeControl(type: TypeCode, body: unknown, offset = 0, flags = 0): Uint8Array {
  return encodeFrame({ type, offset, flags }, encoder.encode(JSON.stringify(body)));
}

/** Parses and validates a lane frame's JSON. Throws SessionError(protocol). */
export function decodeControl<T>(frame: Frame, schema: z.ZodType<T>): T {
  if (frame.payload.byteLength > MAX_CONTROL)
    throw new SessionError("protocol", `${typeName(frame.type)} is over ${MAX_CONTROL} bytes`);
  let body: unknown;
  try {
    body = JSON.parse(decoder.decode(frame.payload));
  } catch {
    throw new SessionError("protocol", `${typeName(frame.type)} is not JSON`);
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SessionError(
    "protocol",
    `${typeName(frame.type)}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not valid"}`,
  );
}
