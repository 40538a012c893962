import { join } from "node:path";
import { expect } from "vitest";
import { execute } from "./run.ts";

/** Makes a self-signed certificate for names and addresses, with openssl, as `cert.pem` and `key.pem` in a folder. */
export async function certificate(
  folder: string,
  host: string,
  serial: number,
): Promise<{ cert: string; key: string }> {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=IP:${host}`, "-set_serial", String(serial)];
  const made = await execute("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    ...subject,
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  expect(made).toMatchObject({ code: 0 });
  return { cert, key };
}
