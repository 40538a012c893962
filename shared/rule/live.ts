import * as z from "zod";
import { ConnectionView } from "./api.ts";

// What `GET /live` says over its WebSocket, one JSON text a message: fields are only ever added. A page that knows the
// register and the status keeps them current by these, and asks for nothing meanwhile.

/**
 * Its sub-protocol. A browser's session offers a second one beside it, KEY_PROTOCOL and its key: browsers can't set headers
 * here.
 */
export const LIVE_PROTOCOL = "sallyport.live.v1";
export const KEY_PROTOCOL = "sallyport.key.";

const count = z.int().min(0);

/** One mapping's visitors at the edge's own ports and hosts: how many are there, and bytes since the message before. */
const MappingTraffic = z.object({ mapping: count, streams: count, bytesIn: count, bytesOut: count });
export type MappingTraffic = z.infer<typeof MappingTraffic>;

export const LiveMessage = z.discriminatedUnion("type", [
  /** `rules`: sites, mappings, tokens, grants; `presence`: who is online. What is shown of them is to be asked for again. */
  z.object({ type: z.literal("changed"), what: z.enum(["rules", "presence"]) }),
  /** Of one site, over `ms` milliseconds; mappings that are not named have no visitors. */
  z.object({ type: z.literal("traffic"), site: z.string(), ms: count, mappings: z.array(MappingTraffic) }),
  /** They have ended, or were refused. */
  z.object({ type: z.literal("connections"), connections: z.array(ConnectionView) }),
]);
export type LiveMessage = z.infer<typeof LiveMessage>;
