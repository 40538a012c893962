import * as z from "zod";

/** What is written into a request's head must not end its line. */
const headText = z.string().regex(/^[\x21-\x7e\x80-\xff]*$/);

const Options = z.object({
  hostHeader: headText.default("visitor"),
  tlsVerify: z.boolean().default(true),
  ca: z.string().nullable().default(null),
  sni: z.string().nullable().default(null),
  rewrite: z.boolean().default(true),
  /** Prefix of the endpoint that the target does not see; "" keeps all. */
  prefix: headText.default(""),
});

/** How a mapping wants its target spoken to; what DIAL carries for HTTP. */
export type HttpDialOptions = z.output<typeof Options>;

/** Undefined for what no relay writes. */
export function parseHttpOptions(text: string): HttpDialOptions | undefined {
  try {
    return Options.safeParse(text === "" ? {} : JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
