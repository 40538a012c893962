import { once } from "node:events";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { encodeControl } from "../../shared/wire/control.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import { PROTOCOL, VERSION } from "../../shared/wire/version.ts";
import type { TestEdge } from "./edge.ts";

/** How a peer made by hand introduces itself. */
export type Introduction = { protocol?: number; version?: string; headers?: Record<string, string> };

/** A lane of a peer made by hand to the site `lab`, open, with HELLO on its way. */
export async function greetedLane(
  edge: TestEdge,
  kind: string,
  token: string,
  { protocol = PROTOCOL, version = VERSION, headers = {} }: Introduction = {},
): Promise<WebSocket> {
  const path = kind === "agent" ? "agent" : "connect?site=lab";
  const socket = new WebSocket(`${edge.url}/.sallyport/${path}`, "sallyport.v1", {
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  socket.on("error", () => undefined);
  await once(socket, "open");
  const incarnation = randomBytes(16).toString("hex");
  socket.send(encodeControl(TYPE.HELLO, { protocol, kind, incarnation, lane: 0, version, features: [] }));
  return socket;
}

/** The same, once it is welcome. */
export async function welcomeLane(...words: Parameters<typeof greetedLane>): Promise<WebSocket> {
  const socket = await greetedLane(...words);
  await once(socket, "message");
  return socket;
}
