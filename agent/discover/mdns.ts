import { addressOf } from "../../shared/address/address.ts";
import { clean } from "../../shared/text.ts";
import { decodeAnswer } from "./dns.ts";
import type { Announced, KnownService } from "./known-services.ts";

/** Services that devices announce by mDNS (RFC 6763): their names here, and how to identify them. */
const SERVICES: Readonly<Record<string, Omit<KnownService, "port">>> = {
  _http: { name: "web", ask: "http" },
  _https: { name: "web", ask: "https" },
  _ssh: { name: "ssh", ask: "banner" },
  "_sftp-ssh": { name: "ssh", ask: "banner" },
  _rtsp: { name: "rtsp", ask: "rtsp" },
  _rfb: { name: "vnc", ask: "banner" },
  _rdp: { name: "rdp", ask: "none" },
  _smb: { name: "smb", ask: "none" },
  _ftp: { name: "ftp", ask: "banner" },
  _ipp: { name: "printer", ask: "http" },
  _mqtt: { name: "mqtt", ask: "none" },
  "_home-assistant": { name: "web", ask: "http" },
};

/** Names whose PTR records lead to those services. */
export const SERVICE_NAMES: readonly string[] = Object.keys(SERVICES).map((service) => `${service}._tcp.local`);

/** Lists the services that an mDNS answer announces: those with a port, on hosts whose IPv4 addresses are in the answer. */
export function announcedBy(bytes: Uint8Array): Announced[] {
  const records = decodeAnswer(bytes);
  return records.flatMap((record): Announced[] => {
    if (record.type !== "SRV") return [];
    const [, instance = "", type = ""] = /^(.*?)\.?(_[^.]+)\._tcp\.local$/i.exec(record.name) ?? [];
    const service = SERVICES[type.toLowerCase()];
    if (service === undefined || record.port === 0) return [];
    const addresses = records.flatMap((each) =>
      each.type === "A" && isSame(each.name, record.host) ? [each.address] : [],
    );
    const what = clean(`mDNS: ${instance}`, 80);
    const { port } = record;
    return addresses.map((address) => ({ address: addressOf(address), port, what, service: { ...service, port } }));
  });
}

/** Compares two names, ignoring case (RFC 6762 section 16). */
function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
