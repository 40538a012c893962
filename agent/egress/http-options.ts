import * as z from "zod";

/** Text for a request's head, which must not end its line. */
const headText = z.string().regex(/^[\x21-\x7e\x80-\xff]*$/);

const Options = z.object({
  hostHeader: headText.default("visitor"),
  tlsVerify: z.boolean().default(true),
  ca: z.string().nullable().default(null),
  sni: z.string().nullable().default(null),
  rewrite: z.boolean().default(true),
  /** Prefix of the endpoint's path, which is removed for the target; "": none. */
  prefix: headText.default(""),
});

/** The HTTP options of a mapping, as DIAL carries them. */
export type HttpDialOptions = z.output<typeof Options>;

/** Parses the HTTP options of a DIAL; undefined if they are malformed. */
export function parseHttpOptions(text: string): HttpDialOptions | undefined {
  try {
    return Options.safeParse(text === "" ? {} : JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
