import type { Address } from "../../shared/address/address.ts";

/** A service that usually listens at a port, and how to identify it. */
export type KnownService = { port: number; name: string; ask: "banner" | "http" | "https" | "rtsp" | "none" };

/** A device that answered a multicast question, by its own address; `service` if it named one. */
export type Announced = { address: Address; port: number; what: string; service?: KnownService };

/** Services that are often mapped: web pages, cameras, shells, remote desktops, files, telephones, databases. */
export const KNOWN_SERVICES: readonly KnownService[] = [
  { port: 21, name: "ftp", ask: "banner" },
  { port: 22, name: "ssh", ask: "banner" },
  { port: 80, name: "web", ask: "http" },
  { port: 443, name: "web", ask: "https" },
  { port: 445, name: "smb", ask: "none" },
  { port: 554, name: "rtsp", ask: "rtsp" },
  { port: 1883, name: "mqtt", ask: "none" },
  { port: 3306, name: "mysql", ask: "banner" },
  { port: 3389, name: "rdp", ask: "none" },
  { port: 5000, name: "web", ask: "http" },
  { port: 5001, name: "web", ask: "https" },
  { port: 5060, name: "sip", ask: "none" },
  { port: 5432, name: "postgres", ask: "none" },
  { port: 5900, name: "vnc", ask: "banner" },
  { port: 8000, name: "web", ask: "http" },
  { port: 8006, name: "web", ask: "https" },
  { port: 8080, name: "web", ask: "http" },
  { port: 8096, name: "web", ask: "http" },
  { port: 8123, name: "web", ask: "http" },
  { port: 8443, name: "web", ask: "https" },
  { port: 8554, name: "rtsp", ask: "rtsp" },
  { port: 9000, name: "web", ask: "http" },
  { port: 9090, name: "web", ask: "http" },
  { port: 32400, name: "web", ask: "http" },
  { port: 37777, name: "dvr", ask: "none" },
];
