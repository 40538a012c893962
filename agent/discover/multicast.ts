import { createSocket } from "node:dgram";
import { parseAddress } from "../../shared/address/address.ts";
import { clean } from "../../shared/text.ts";
import { encodeQuery } from "./dns.ts";
import { announcedBy, SERVICE_NAMES } from "./mdns.ts";
import type { Announced } from "./known-services.ts";

const LISTEN_MS = 2_500;

/** Multicast groups: SSDP and WS-Discovery share one. */
const SSDP_GROUP = "239.255.255.250";
const MDNS_GROUP = "224.0.0.251";

const SSDP =
  'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n';

const ONVIF = (id: string): string => `<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:${id}</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header><e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>`;

/** Asks the LAN by SSDP, by mDNS and, for cameras, by WS-Discovery. Answers are not trusted: they only name addresses to try. */
export async function announcedServices(): Promise<Announced[]> {
  const found = await Promise.all([
    ask(SSDP, SSDP_GROUP, 1900, (bytes) => ssdpOf(textOf(bytes))),
    ask(ONVIF(crypto.randomUUID()), SSDP_GROUP, 3702, (bytes) => onvifOf(textOf(bytes))),
    ask(encodeQuery(SERVICE_NAMES), MDNS_GROUP, 5353, announcedBy),
  ]);
  return found.flat();
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

type Read = (bytes: Uint8Array) => Announced[];

function ask(question: string | Uint8Array, group: string, port: number, read: Read): Promise<Announced[]> {
  return new Promise((resolve) => {
    const found: Announced[] = [];
    const socket = createSocket("udp4");
    const done = (): void => {
      resolve(found);
      socket.close();
    };
    // A machine without a multicast route finds nothing.
    socket.on("error", () => undefined);
    socket.on("message", (message) => void found.push(...read(message)));
    socket.send(question, port, group, () => undefined);
    setTimeout(done, LISTEN_MS);
  });
}

function ssdpOf(text: string): Announced[] {
  const location = /^location:[ \t]*(\S+)/im.exec(text)?.[1] ?? "";
  return at(location, `UPnP: ${/^server:[ \t]*(.+)$/im.exec(text)?.[1]?.trim() ?? "a device"}`);
}

function onvifOf(text: string): Announced[] {
  const addresses = /<[\w-]*:?XAddrs>([^<]*)</.exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  const hardware = /onvif:\/\/www\.onvif\.org\/(?:hardware|name)\/([^\s<]+)/.exec(text)?.[1] ?? "";
  return addresses.flatMap((url) => at(url, `ONVIF camera ${decode(hardware)}`.trim()));
}

function at(url: string, what: string): Announced[] {
  if (!URL.canParse(url)) return [];
  const { hostname, port, protocol } = new URL(url);
  const address = parseAddress(hostname);
  return address.ok
    ? [{ address: address.value, port: Number(port) || (protocol === "https:" ? 443 : 80), what: clean(what, 80) }]
    : [];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
