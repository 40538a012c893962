import type { FieldName } from "../../shared/rule/fields.ts";

/** Mappings of all kinds, for fields to stand in; what checks certificates and what takes any of them are two. */
export const PLACES = {
  tcp: { endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80" },
  udp: { endpoint: "5060/udp", site: "lab", target: "10.0.0.5:5060" },
  https: { endpoint: "http://a.localhost/app", site: "lab", target: "https://10.0.0.6" },
  unchecked: { endpoint: "http://b.localhost", site: "lab", target: "https://10.0.0.7" },
} as const;

export type PlaceName = keyof typeof PLACES;

/** Certificates as far as the grammar looks into them; commands are given the file that has them as CA_FILE. */
export const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
export const CA_FILE = "CA-FILE";

/** For each field of a mapping: where it may stand, a value that is not the usual one, and the options that say it. */
export const EXAMPLES: Readonly<
  Record<FieldName, { readonly at: PlaceName; readonly value: unknown; readonly words: readonly string[] }>
> = {
  endpoint: { at: "tcp", value: "8081/tcp", words: ["--endpoint", "8081/tcp"] },
  site: { at: "tcp", value: "attic", words: ["--site", "attic"] },
  target: { at: "tcp", value: "10.0.0.9:80", words: ["--target", "10.0.0.9:80"] },
  name: { at: "tcp", value: "shop", words: ["--name", "shop"] },
  owner: { at: "tcp", value: "Ann, IT", words: ["--owner", "Ann, IT"] },
  note: { at: "tcp", value: "supplier's updates", words: ["--note", "supplier's updates"] },
  tags: { at: "tcp", value: ["camera", "floor-2"], words: ["--tag", "floor-2", "--tag", "camera", "--tag", "camera"] },
  access: { at: "tcp", value: "token", words: ["--access", "token"] },
  allow: {
    at: "tcp",
    value: ["203.0.113.0/24", "2001:db8::/32"],
    words: ["--allow-from", "203.0.113.0/24", "--allow-from", "2001:db8::/32"],
  },
  deny: { at: "tcp", value: ["198.51.100.7"], words: ["--deny-from", "198.51.100.7"] },
  expires: { at: "tcp", value: Date.UTC(2099, 0, 31, 18), words: ["--expires", "2099-01-31T18:00:00Z"] },
  maxStreams: { at: "tcp", value: 7, words: ["--max-streams", "7"] },
  newPerSecond: { at: "tcp", value: 11, words: ["--new-per-second", "11"] },
  bytesPerSecond: { at: "tcp", value: 65_536, words: ["--bytes-per-second", "64K"] },
  proxyProtocol: { at: "tcp", value: "v2", words: ["--proxy-protocol", "v2"] },
  onLoss: { at: "tcp", value: "hang", words: ["--on-loss", "hang"] },
  idleSeconds: { at: "udp", value: 180, words: ["--idle", "3m"] },
  reflectorOk: { at: "udp", value: true, words: ["--reflector-ok"] },
  hostHeader: { at: "https", value: "target", words: ["--host-header", "target"] },
  tlsVerify: { at: "unchecked", value: false, words: ["--no-tls-verify"] },
  ca: { at: "https", value: CERTIFICATE, words: ["--ca", CA_FILE] },
  sni: { at: "https", value: "nas.lan", words: ["--sni", "nas.lan"] },
  prefix: { at: "https", value: "strip", words: ["--strip-prefix"] },
  rewrite: { at: "https", value: false, words: ["--no-rewrite"] },
};
