import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
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

/** An authority of a test's own, which issues certificates as they are asked for. */
export interface Authority {
  /** Its certificate, in PEM. */
  readonly file: string;
  readonly issue: (name: string, options?: IssueOptions) => Promise<{ cert: string; key: string }>;
  /** An authority below it. */
  readonly below: (subject: string) => Promise<Authority>;
}

export interface IssueOptions {
  /** Days from now; without them, from yesterday on for two months. */
  readonly from?: number;
  readonly until?: number;
  /** Without what is between the certificate and the root. */
  readonly isBare?: boolean;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes an authority with this subject (`/O=Acme/CN=Acme Root`), in a folder of its own below `folder`. */
export async function authority(folder: string, subject: string): Promise<Authority> {
  const own = await mkdtemp(join(folder, "ca-"));
  const [cert, key] = [join(own, "ca.pem"), join(own, "ca.key")];
  await openssl("req", "-x509", ...EC, "-days", "90", "-subj", subject, "-keyout", key, "-out", cert);
  return authorityIn(own, { cert, key }, []);
}

/** `chain`: files of the certificates from this authority's own up to below the root. */
async function authorityIn(
  folder: string,
  { cert, key }: { cert: string; key: string },
  chain: readonly string[],
): Promise<Authority> {
  const config = join(folder, "ca.cnf");
  await writeFile(config, configOf(folder));
  await writeFile(join(folder, "index"), "");
  const sign = async (
    subject: string,
    extensions: string,
    options: IssueOptions,
  ): Promise<{ cert: string; key: string }> => {
    const made = await mkdtemp(join(folder, "cert-"));
    const [request, extension, file] = [join(made, "csr"), join(made, "ext"), join(made, "cert.pem")];
    const out = { cert: file, key: join(made, "key.pem") };
    await openssl("req", "-new", ...EC, "-subj", subject, "-keyout", out.key, "-out", request);
    await writeFile(extension, extensions);
    const dates = ["-startdate", stamp(options.from ?? -1), "-enddate", stamp(options.until ?? 60)];
    const by = ["-config", config, "-cert", cert, "-keyfile", key, "-extfile", extension];
    await openssl("ca", "-batch", "-notext", ...by, ...dates, "-in", request, "-out", file);
    return out;
  };
  return {
    file: cert,
    issue: async (name, options = {}) => {
      const kind = isIP(name) === 0 ? "DNS" : "IP";
      const out = await sign(`/O=Edges/CN=${name}`, `subjectAltName=${kind}:${name}\n`, options);
      const files = [out.cert, ...(options.isBare === true ? [] : chain)];
      const texts = await Promise.all(files.map((each) => readFile(each, "utf8")));
      await writeFile(out.cert, texts.join(""));
      return out;
    },
    below: async (subject) => {
      const out = await sign(subject, "basicConstraints=critical,CA:TRUE\n", {});
      return authorityIn(await mkdtemp(join(folder, "ca-")), out, [out.cert, ...chain]);
    },
  };
}

function configOf(folder: string): string {
  return `
[ca]
default_ca = own
[own]
database = ${join(folder, "index")}
new_certs_dir = ${folder}
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = optional
`;
}

/** As `openssl ca` writes a time. */
function stamp(days: number): string {
  const iso = new Date(Date.now() + days * 86_400_000).toISOString();
  return `${iso.replaceAll(/[-:T]/g, "").slice(0, 14)}Z`;
}

async function openssl(...words: readonly string[]): Promise<void> {
  const { code, stderr } = await execute("openssl", words);
  if (code !== 0) throw new Error(`openssl ${words.join(" ")}: ${stderr}`);
}
