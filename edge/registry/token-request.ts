import * as z from "zod";

/** Seconds of the longest life: what lives longer is not revoked when it should be. */
const MAX_LIFE = 10 * 365 * 24 * 3600;

const life = z.int().positive().max(MAX_LIFE).optional();
const list = z.array(z.string()).min(1).optional();

/** What may be asked for when a token is issued. Words in it are parsed as claims (shared/rule/claims.ts). `life` in seconds. */
export const TokenRequest = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("agent"),
    life,
    site: z.string(),
    targets: list,
    publish: list,
    /** The agent will run on the edge's own machine: a loopback URL is fine. */
    local: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal("visitor"),
    life,
    endpoints: z.array(z.string()).min(1),
    from: list,
    /** Streams at once, and bytes of both directions in its life. */
    caps: z.strictObject({ streams: z.int().optional(), bytes: z.int().optional() }).optional(),
  }),
  z.strictObject({ kind: z.literal("gateway"), life, endpoints: list, bind: list }),
  z.strictObject({ kind: z.literal("admin"), life, readOnly: z.boolean().optional() }),
]);

export type TokenRequest = z.infer<typeof TokenRequest>;
