import * as z from "zod";

// The report of an agent that was asked to try a target: it answers a DIAL with the option `probe` with ACCEPT, one JSON text of
// this shape, and FIN. A failure is part of the text, so that the path to the agent is measured even then.

const certificate = z.object({
  subject: z.string(),
  issuer: z.string(),
  names: z.string(),
  /** ISO 8601. */
  from: z.string(),
  until: z.string(),
  /** Why it is not trusted; "" when it is, or when the mapping doesn't check it. */
  trouble: z.string(),
});

export const ProbeReport = z.object({
  /** Milliseconds that the agent took for everything, and for the connection alone. */
  tookMs: z.number(),
  dialMs: z.number().nullable(),
  /** The address that it connected to, `ip:port`; "" when it did not. */
  address: z.string(),
  /** Why there is no connection, or what is wrong with it. */
  failure: z.object({ code: z.string(), reason: z.string(), fix: z.string() }).nullable(),
  tls: z.object({ version: z.string(), certificate: certificate.nullable() }).nullable(),
  /** The first line that the target sent; "" when it sent none. */
  seen: z.string(),
  /** How the agent asked the target for an answer: `listen`, `HTTP`, `RTSP`, `SIP`, `DNS`; "" for not at all. */
  asked: z.string(),
});
export type ProbeReport = z.infer<typeof ProbeReport>;

/** A relay's answer to `test` of one endpoint. */
export type ProbeOutcome = {
  /** The agent that was asked; null when none is online. */
  agent: { identity: string; version: string } | null;
  target: string;
  /** Milliseconds until the report came. */
  ms: number;
  /** The report; null when none came. */
  report: ProbeReport | null;
  failure: { code: string; reason: string } | null;
};
