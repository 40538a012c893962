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
 * store, where a company usually installs the authority of its TLS inspection. The store is read only after an issuer was
 * unknown, because reading takes a tenth of a second.
 */
export class Trust {
  /** Certificates in PEM to trust besides the default ones. */
  readonly extra: readonly string[];
  #context: SecureContext | undefined;
  #hasSystemStore = false;

  constructor(extra: readonly string[] = []) {
    this.extra = extra;
  }

  /** The context for TLS connections; undefined: Node's own authorities. */
  get context(): SecureContext | undefined {
    if (this.extra.length > 0) this.#context ??= contextOf([...bundled(), ...this.extra]);
    return this.#context;
  }

  /** Adds the authorities of this machine's store. Returns whether a certificate that failed with `before` is worth another try. */
  addSystemStore(before: SecureContext | undefined): boolean {
    if (!this.#hasSystemStore) {
      this.#hasSystemStore = true;
      const system = systemCertificates();
      if (system.length > 0) this.#context = contextOf([...bundled(), ...system, ...this.extra]);
    }
    return this.#context !== before;
  }
}

/** Reads one or several certificates in PEM, or one in DER, as Windows exports it. Returns them in PEM. Throws Problem. */
export function readAuthorities(file: string): string[] {
  const fix = "it has to contain one or more certificates in PEM (-----BEGIN CERTIFICATE-----)";
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
  // An exported certificate need not be the root of its chain.
  return tls.createSecureContext({ ca, allowPartialTrustChain: true });
}

/** Lists the authorities that Node trusts by default. Only Node 22.15 and later can list them all. */
function bundled(): string[] {
  if (typeof tls.getCACertificates === "function") return tls.getCACertificates("default");
  return [...tls.rootCertificates, ...textOf(process.env["NODE_EXTRA_CA_CERTS"])];
}

function systemCertificates(): string[] {
  const known = typeof tls.getCACertificates === "function" ? tls.getCACertificates("system") : [];
  return known.length > 0 ? known : textOf(...SYSTEM_FILES);
}

/** Reads the first of these files that can be read. */
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
