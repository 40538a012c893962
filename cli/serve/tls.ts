import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Problem } from "../../link/problem.ts";

export type TlsFiles = { certificate: string; key: string };
/** PEM texts. */
export type Tls = { certificate: string; key: string };

/** Reads a certificate chain and its key and checks that they match. Throws Problem. */
export function readTls(files: TlsFiles): Tls {
  const tls = { certificate: readPem(files.certificate), key: readPem(files.key) };
  let belongs: boolean;
  try {
    belongs = new X509Certificate(tls.certificate).checkPrivateKey(createPrivateKey(tls.key));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw Problem.configuration(
      "tls-unreadable",
      `${files.certificate} with ${files.key}: ${cause}`,
      "give the key as unencrypted PEM, and the certificate as a PEM chain with the server's own first",
    );
  }
  if (belongs) return tls;
  throw Problem.configuration(
    "tls-mismatch",
    `${files.key} is not the key of the first certificate in ${files.certificate}`,
    "give a certificate and a key that were issued together; the server's own certificate comes first in the chain",
  );
}

function readPem(file: string): string {
  try {
    const text = readFileSync(file, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (error) {
    throw Problem.configuration(
      "tls-unreadable",
      `${file} can't be read: ${error instanceof Error ? error.message : String(error)}`,
      "check the path and who may read the file",
    );
  }
  throw Problem.configuration(
    "tls-unreadable",
    `${file} is not in PEM format`,
    "convert it: openssl x509 -inform der -in FILE, or openssl pkey",
  );
}
