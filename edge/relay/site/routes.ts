import { encodeControl, type Routes as RoutesPayload } from "../../../shared/wire/control.ts";
import { formatEndpoint } from "../../../shared/address/endpoint.ts";
import { targetBehind } from "../../../shared/rule/parsed.ts";
import { FLAG_MORE, TYPE } from "../../../shared/wire/frame.ts";
import type { Lane } from "../lanes/lane.ts";
import { laneOf } from "../lanes/lanes.ts";
import { partsOpenedBy } from "./admission.ts";
import { needsSingleAgent } from "./dial.ts";
import type { Site } from "./site.ts";
import type { LaneToken } from "./visit.ts";

/** Endpoints on one page of ROUTES, which keeps it well within the size of a control frame. */
const PAGE = 200;

/** Sends ROUTES to all callers: the endpoints that they may open, and through which agents. */
export function sendRoutesToAll(site: Site): void {
  for (const end of site.lanes.callers) {
    const lane = laneOf(end, 0);
    if (lane !== undefined) sendRoutes(site, lane);
  }
}

/** Sends ROUTES to one caller. `slots` lists all connected agents; the slots of an endpoint are the agents that take new streams. */
export function sendRoutes(site: Site, lane: Lane): void {
  const slots = site.lanes.agents.map((end) => ({
    slot: end.number,
    incarnation: end.incarnation,
    agent: end.identity,
    frameBytes: laneOf(end, 0)?.attachment.ready?.frameBytes,
  }));
  const endpoints = endpointsFor(site, { pass: lane.attachment, opens: lane.opens });
  for (let first = 0; first === 0 || first < endpoints.length; first += PAGE) {
    const flags = first + PAGE < endpoints.length ? FLAG_MORE : 0;
    const page = { slots, endpoints: endpoints.slice(first, first + PAGE) };
    lane.send(encodeControl(TYPE.ROUTES, page, Math.max(0, site.rules.revision), flags));
  }
}

/** Returns the endpoints for a caller's ROUTES. Gateways listen on the ports of public mappings, and of mappings that a grant opens. */
function endpointsFor(site: Site, token: LaneToken): RoutesPayload["endpoints"] {
  const { pass } = token;
  const { mappings, grants } = site.rules.current;
  const now = Date.now();
  const { serving } = site.agents;
  const granted = new Set(grants.filter(({ until }) => until > now).flatMap((grant) => grant.mappings));
  return mappings.flatMap((rule) => {
    const { mapping, endpoint } = rule;
    const { access, expires, id } = mapping;
    if (expires !== null && expires <= now) return [];
    if (pass.kind === "gateway" && (endpoint.kind !== "port" || (access === "token" && !granted.has(id)))) return [];
    const single = needsSingleAgent(mapping, pass.caps ?? {});
    return partsOpenedBy(token, rule, site.rules).map((part) => {
      const target = targetBehind(rule, part.endpoint);
      return {
        ...part,
        endpoint: formatEndpoint(part.endpoint),
        access,
        slots: site.agents.slotsFor({ site: mapping.site, target, single }, serving),
      };
    });
  });
}
