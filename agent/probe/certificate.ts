import type { TLSSocket } from "node:tls";
import { namesOf, shortName, certificateProblem } from "../../link/dial/certificate.ts";
import type { ProbeReport } from "../../shared/wire/probe.ts";

type Certificate = NonNullable<NonNullable<ProbeReport["tls"]>["certificate"]>;

/** Describes the certificate of a TLS server; null if it showed none. `host`: the name it has to be for; undefined: it need not be trusted. */
export function certificateOf(socket: TLSSocket, host: string | undefined): Certificate | null {
  const shown = socket.getPeerCertificate();
  if (Object.keys(shown).length === 0) return null;
  const [from = "", until = ""] = [shown.valid_from, shown.valid_to].map((text) => new Date(text).toISOString());
  const problem = host === undefined ? null : certificateProblem(socket, host);
  return {
    subject: shortName(shown.subject),
    issuer: shortName(shown.issuer),
    names: namesOf(shown),
    from,
    until,
    trouble: problem === null ? "" : `its certificate ${problem.text}`,
  };
}
