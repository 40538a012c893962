import * as z from "zod";
import { SessionError } from "./errors.ts";
import { encodeFrame, type Frame, type TypeCode, typeName } from "./frame.ts";
import { GRACE_MS, MAX_CONTROL, MAX_GRACE_MS, MAX_LANES, DEFAULT_DATA } from "./limits.ts";

// JSON payloads of lane frames (docs/protocol.md sections 3.1 and 3.2). None of them is on the data path.

const text = z.string().max(200);
const count = z.int().min(0);
const rules = z.array(z.string().max(4_096)).max(4_096);
/** If absent, the end takes frames of the default size. */
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
  frameBytes,
  features: z.array(text).max(32),
  /** This end has no other lane: any that the relay still has of it are dead. */
  alone: z.boolean().optional(),
  /** Another process with this token was serving: this one takes over once that one is gone. */
  standby: z.boolean().optional(),
  /**
   * Agents only: their own rules for targets, `--allow` and `--deny`. The relay chooses agents by them; they allow nothing by
   * themselves.
   */
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
  /** The token has expired: only RENEW may be sent on this lane. */
  renew: z.boolean().optional(),
  /** Another process with this token serves: this lane carries nothing, and the relay closes it once that process is gone. */
  standby: z.boolean().optional(),
  budget: count,
  time: z.number(),
  /** Milliseconds that sessions outlive their lanes; 0: not at all. */
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

/** The parts of a mapping's rule by which streams that are open are judged again. */
export const KeepRule = z.object({
  access: z.enum(["public", "token"]),
  allow: z.array(text),
  deny: z.array(text),
  maxStreams: count.nullable(),
});
export type KeepRule = z.infer<typeof KeepRule>;

/** Ends all streams that a removed rule allowed. It names exactly one subject. */
export const Cut = z
  .object({
    mapping: count.optional(),
    token: text.optional(),
    grant: text.optional(),
    /**
     * With `mapping`: its rule has changed, and streams that it still allows stay open. Agents that don't know this field end
     * all of them.
     */
    keep: KeepRule.optional(),
    code: text,
    reason: z.string().max(300),
  })
  .refine(
    ({ mapping, token, grant }) => [mapping, token, grant].filter((each) => each !== undefined).length === 1,
    "doesn't name exactly one subject",
  );
export type Cut = z.infer<typeof Cut>;

/** The connection record of a client's or gateway's stream, which the relay only forwarded and didn't count. */
export const Report = z.object({
  at: z.number(),
  ended: z.number(),
  mapping: count,
  /** `jti` of the token that opened it. */
  token: text,
  endpoint: text,
  target: text,
  visitor: text,
  bytesIn: count,
  bytesOut: count,
  outcome: z.enum(["done", "refused", "reset", "lost", "cut"]),
  code: text,
  reason: z.string().max(300),
  /** Absent from agents of older versions. */
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

/** Encodes a lane frame with a JSON payload. */
export function encodeControl(type: TypeCode, body: unknown, offset = 0, flags = 0): Uint8Array {
  return encodeFrame({ type, offset, flags }, encoder.encode(JSON.stringify(body)));
}

/** Parses and validates a lane frame's JSON. Throws SessionError(protocol) if it is too large, not JSON or not of the schema. */
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
