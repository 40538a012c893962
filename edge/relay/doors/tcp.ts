import { parseAddress } from "../../../shared/address/address.ts";
import type { Failure } from "../../../shared/wire/errors.ts";
import { splitHostPort } from "../../../shared/address/socket-address.ts";
import { dataLane } from "../lanes/lane-choice.ts";
import { admit, type Admitted } from "../site/admission.ts";
import { dialStream } from "../site/dial.ts";
import type { Site } from "../site/site.ts";
import type { Visit } from "../site/visit.ts";
import type { LiveStream } from "../types.ts";
import { openStream } from "./open-stream.ts";
import { carry } from "./socket.ts";
import type { TcpVisit } from "./tcp-visit.ts";

/** Serves a visitor of one of the Worker's TCP ports, or of a raw WebSocket, until its connection is over. */
export async function serveTcp(site: Site, tcp: TcpVisit, socket: Socket): Promise<void> {
  const at = Date.now();
  await site.ready();
  const visit = visitOf(tcp);
  const admitted = admit(site, visit, Date.now());
  if (!admitted.ok) {
    site.visits.write(tcp, admitted.at, at, { bytesIn: 0, bytesOut: 0 }, admitted.failure);
    await socket.close();
    return;
  }
  const live: LiveStream = {
    ref: site.records.name(),
    at,
    mapping: admitted.at.mapping.id,
    endpoint: tcp.endpoint,
    target: admitted.at.targetText,
    visitor: tcp.visitor,
    agent: admitted.agent.identity,
    bytesIn: 0,
    bytesOut: 0,
  };
  const failure = await carryStream(site, admitted, visit, live, socket);
  site.visits.leave(live);
  site.visits.write(tcp, admitted.at, at, live, failure);
}

/** Carries the visitor's stream to its end. Resolves to the failure, or to null when it ended in order. */
function carryStream(
  site: Site,
  admitted: Admitted,
  visit: Visit,
  live: LiveStream,
  socket: Socket,
): Promise<Failure | null> {
  const { mapping } = admitted.at;
  return new Promise((resolve) => {
    openStream(site, admitted, visit, live, {
      dial: dialStream(admitted, visit, live),
      init: { mapping: mapping.id },
      lane: dataLane,
      first: () => undefined,
      begin: (stream) => resolve(carry(socket, stream, live, visit.by.kind === "public" ? mapping.onLoss : "framed")),
      failed: (failure) => resolve(socket.close().then(() => failure)),
    });
  });
}

function visitOf({ endpoint, visitor, token = "", caps = {}, judged = 0 }: TcpVisit): Visit {
  const address = parseAddress(splitHostPort(visitor)?.host ?? "");
  return {
    endpoint,
    address: address.ok ? address.value : undefined,
    by: token === "" ? { kind: "public" } : { kind: "judged", token, caps, mapping: judged, until: null },
  };
}
