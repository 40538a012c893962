import * as z from "zod";

/** Longest lifetime of a token, in seconds (10 years). */
const MAX_LIFE = 10 * 365 * 24 * 3600;

const life = z.int().positive().max(MAX_LIFE).optional();
const list = z.array(z.string()).min(1).optional();

/** A request to issue a token. Its strings are parsed as claims (shared/rule/claims.ts). `life`: lifetime in seconds. */
export const TokenRequest = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("agent"),
    life,
    site: z.string(),
    targets: list,
    publish: list,
    /** The agent will run on the edge's own machine, so a loopback URL is accepted. */
    local: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal("visitor"),
    life,
    endpoints: z.array(z.string()).min(1),
    from: list,
    /** Maximum concurrent streams, and bytes in both directions over the token's lifetime. */
    caps: z.strictObject({ streams: z.int().optional(), bytes: z.int().optional() }).optional(),
  }),
  z.strictObject({ kind: z.literal("gateway"), life, endpoints: list, bind: list }),
  z.strictObject({ kind: z.literal("admin"), life, readOnly: z.boolean().optional() }),
]);

export type TokenRequest = z.infer<typeof TokenRequest>;
