import * as z from "zod";
import { ConnectionView } from "./api.ts";

// The messages of `GET /live` on its WebSocket, each one JSON text. Later versions only add fields. A page that has loaded the
// register and the status keeps them current by these messages, without further requests.

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
  /**
   * These have changed, and a page that shows them must load them again. `rules`: sites, mappings, tokens, grants; `presence`:
   * which ends are online.
   */
  z.object({ type: z.literal("changed"), what: z.enum(["rules", "presence"]) }),
  /** Traffic of one site over `ms` milliseconds. Mappings that are not named have no visitors. */
  z.object({ type: z.literal("traffic"), site: z.string(), ms: count, mappings: z.array(MappingTraffic) }),
  /** Connections that have ended or were refused. */
  z.object({ type: z.literal("connections"), connections: z.array(ConnectionView) }),
]);
export type LiveMessage = z.infer<typeof LiveMessage>;
