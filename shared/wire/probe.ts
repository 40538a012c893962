import * as z from "zod";

// What an agent finds out about a target when the edge asks it to try: a DIAL with the option `probe`, answered with
// ACCEPT, one JSON text of this shape, and FIN. Whatever went wrong is in the text, so that the way there is measured, too.

const certificate = z.object({
  subject: z.string(),
  issuer: z.string(),
  names: z.string(),
  /** ISO 8601. */
  from: z.string(),
  until: z.string(),
  /** Why it is not trusted, in words; "" when it is, or when that does not matter. */
  trouble: z.string(),
});

export const ProbeReport = z.object({
  /** Milliseconds that the agent spent on all of it, and on the connection alone. */
  tookMs: z.number(),
  dialMs: z.number().nullable(),
  /** Where it was connected to, `ip:port`; "" when it was not. */
  address: z.string(),
  /** Why there is no connection, or what is wrong with it. */
  failure: z.object({ code: z.string(), reason: z.string(), fix: z.string() }).nullable(),
  tls: z.object({ version: z.string(), certificate: certificate.nullable() }).nullable(),
  /** What the target said, in its own first words; "" when it waits to be spoken to. */
  seen: z.string(),
  /** What was tried to hear something: `listen`, `HTTP`, `RTSP`, `SIP`, `DNS`; "" for nothing. */
  asked: z.string(),
});
export type ProbeReport = z.infer<typeof ProbeReport>;

/** What a relay answers about one endpoint. */
export type ProbeOutcome = {
  /** The agent that was asked; null when none is online. */
  agent: { identity: string; version: string } | null;
  target: string;
  /** Milliseconds until the report was there. */
  ms: number;
  /** The report; null when none came. */
  report: ProbeReport | null;
  failure: { code: string; reason: string } | null;
};
