import * as z from "zod";

const Options = z.object({
  hostHeader: z.string().default("visitor"),
  tlsVerify: z.boolean().default(true),
  ca: z.string().nullable().default(null),
  sni: z.string().nullable().default(null),
  rewrite: z.boolean().default(true),
  /** Prefix of the endpoint that the target does not see; "" keeps all. */
  prefix: z.string().default(""),
});

/** How a mapping wants its target spoken to; what DIAL carries for HTTP. */
export type HttpDialOptions = z.output<typeof Options>;

/** Throws on what no relay writes. */
export function parseHttpOptions(text: string): HttpDialOptions {
  return Options.parse(text === "" ? {} : JSON.parse(text));
}
