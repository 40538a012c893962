import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import tls, { type SecureContext } from "node:tls";
import { Problem } from "../problem.ts";

/** Where Linux and BSD systems keep the authorities they trust, in one file; the first that is there counts. */
const SYSTEM_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The authorities that may sign an edge's certificate: those that come with Node, those of `--ca`, and those of this machine's
 * store, where a company usually rolls its TLS inspection out. The store's are read, a tenth of a second, only once an issuer was
 * not known otherwise.
 */
export class Trust {
  /** Certificates in PEM, beside the usual ones. */
  readonly extra: readonly string[];
  #context: SecureContext | undefined;
  #hasSystemStore = false;

  constructor(extra: readonly string[] = []) {
    this.extra = extra;
  }

  /** What TLS connections are made with; undefined: with Node's own authorities. */
  get context(): SecureContext | undefined {
    if (this.extra.length > 0) this.#context ??= contextOf([...bundled(), ...this.extra]);
    return this.#context;
  }

  /** Adds the authorities of this machine's store. Answers whether a certificate that failed with `before` deserves another try. */
  addSystemStore(before: SecureContext | undefined): boolean {
    if (!this.#hasSystemStore) {
      this.#hasSystemStore = true;
      const system = systemCertificates();
      if (system.length > 0) this.#context = contextOf([...bundled(), ...system, ...this.extra]);
    }
    return this.#context !== before;
  }
}

/** Reads one or several certificates in PEM, or one in DER, as Windows exports it. Answers them in PEM. Throws Problem. */
export function readAuthorities(file: string): string[] {
  const fix = "it has to hold certificates in PEM (-----BEGIN CERTIFICATE-----), one or several";
  const wrong = (cause: string): Problem => Problem.configuration("ca-invalid", `the CA file ${file} ${cause}`, fix);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const cause = `the CA file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`;
    throw Problem.configuration("ca-unreadable", cause, "check the path and its owner");
  }
  const blocks = bytes.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  // DER begins with a SEQUENCE.
  if (blocks === null && bytes[0] !== 0x30) throw wrong("has no certificate in it");
  return (blocks ?? [bytes]).map((block, index) => {
    try {
      return new X509Certificate(block).toString();
    } catch {
      throw wrong(
        blocks === null ? "is neither PEM nor DER" : `is broken: its certificate number ${index + 1} can't be read`,
      );
    }
  });
}

function contextOf(ca: string[]): SecureContext {
  // What was exported need not be the root of the chain.
  return tls.createSecureContext({ ca, allowPartialTrustChain: true });
}

/** Lists what Node trusts by itself; since 22.15 Node can tell. */
function bundled(): string[] {
  if (typeof tls.getCACertificates === "function") return tls.getCACertificates("default");
  return [...tls.rootCertificates, ...textOf(process.env["NODE_EXTRA_CA_CERTS"])];
}

function systemCertificates(): string[] {
  const known = typeof tls.getCACertificates === "function" ? tls.getCACertificates("system") : [];
  return known.length > 0 ? known : textOf(...SYSTEM_FILES);
}

/** The first of these files that can be read. */
function textOf(...files: (string | undefined)[]): string[] {
  for (const file of files) {
    try {
      if (file) return [readFileSync(file, "utf8")];
    } catch {
      // The next one.
    }
  }
  return [];
}
