import { checkServerIdentity, type PeerCertificate, type TLSSocket } from "node:tls";
import { clean } from "../../shared/text.ts";

/** What is wrong with a certificate; `text` goes on after "its certificate". */
export type CertificateProblem = { kind: "expired" | "early" | "name" | "issuer" | "other"; text: string };

const UNKNOWN_ISSUER = /SELF_SIGNED|ISSUER|LEAF_SIGNATURE|UNTRUSTED/;

/** Returns what is wrong with the certificate of a TLS server that has to be `host`, a name or an address; null: nothing. */
export function certificateProblem(socket: TLSSocket, host: string): CertificateProblem | null {
  if (socket.authorized) return null;
  const shown = socket.getPeerCertificate();
  const reason = String(socket.authorizationError);
  const [from, until] = [Date.parse(shown.valid_from), Date.parse(shown.valid_to)];
  const now = Date.now();
  if (until < now) return { kind: "expired", text: `expired on ${day(until)}` };
  if (from > now) return { kind: "early", text: `is not valid before ${day(from)}` };
  const names = namesOf(shown);
  // Checked before the issuer: a captive portal's certificate is wrong in both, and its name says more.
  if (checkServerIdentity(host, shown) !== undefined)
    return { kind: "name", text: `is for ${names === "" ? fullName(shown.subject) : names}, not for ${host}` };
  if (!UNKNOWN_ISSUER.test(reason)) return { kind: "other", text: `is not valid here (${reason})` };
  const issuer = fullName(shown.issuer);
  const isOwn = issuer === fullName(shown.subject);
  const text = isOwn
    ? `is signed by itself (${issuer})`
    : `is issued by ${issuer}, which is not trusted here (${reason})`;
  return { kind: "issuer", text };
}

/** Lists the names and addresses of a certificate, in 200 characters at most. */
export function namesOf(shown: PeerCertificate): string {
  return clean((shown.subjectaltname ?? "").replace(/(?:DNS|IP Address):/g, ""), 200);
}

/** Returns the common name of a subject or an issuer, else its organisation. */
export function shortName(name: PeerCertificate["subject"] | undefined): string {
  return clean(String(name?.CN ?? name?.O ?? "no name"), 100);
}

function fullName(name: PeerCertificate["subject"] | undefined): string {
  const parts = [name?.CN, name?.O].filter((part) => part !== undefined);
  return parts.length === 0 ? "no name" : parts.map((part) => `"${clean(String(part), 100)}"`).join(" of ");
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
