import tls from "node:tls";
import type { ProbeReport } from "../../shared/probe.ts";

type Certificate = NonNullable<NonNullable<ProbeReport["tls"]>["certificate"]>;

/** What a TLS server showed. `host`: the name that its certificate has to hold; undefined: it need not be trusted. */
export function certificateOf(socket: tls.TLSSocket, host: string | undefined): Certificate | null {
  const shown = socket.getPeerCertificate();
  if (Object.keys(shown).length === 0) return null;
  const names = (shown.subjectaltname ?? "").replace(/(?:DNS|IP Address):/g, "");
  const [from = "", until = ""] = [shown.valid_from, shown.valid_to].map((text) => new Date(text).toISOString());
  return {
    subject: nameOf(shown.subject),
    issuer: nameOf(shown.issuer),
    names,
    from,
    until,
    trouble: host === undefined ? "" : troubleWith(socket, shown, host, { names, from, until }),
  };
}

function troubleWith(
  socket: tls.TLSSocket,
  shown: tls.PeerCertificate,
  host: string,
  { names, from, until }: { names: string; from: string; until: string },
): string {
  const now = Date.now();
  if (Date.parse(until) < now) return `its certificate expired on ${until.slice(0, 10)}`;
  if (Date.parse(from) > now) return `its certificate is not valid before ${from.slice(0, 10)}`;
  const misnamed = tls.checkServerIdentity(host, shown);
  if (misnamed !== undefined)
    return `its certificate is for ${names === "" ? nameOf(shown.subject) : names}, not for ${host}`;
  if (socket.authorized) return "";
  const issuer = nameOf(shown.issuer);
  return issuer === nameOf(shown.subject)
    ? "its certificate is signed by itself"
    : `its certificate is signed by ${issuer}, who is not trusted here`;
}

function nameOf(name: tls.PeerCertificate["subject"] | undefined): string {
  return String(name?.CN ?? name?.O ?? "somebody without a name");
}
