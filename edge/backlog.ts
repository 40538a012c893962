import { Backlog } from "../shared/backlog.ts";
import { MAX_WAITING } from "../shared/http/limits.ts";

/**
 * What waits in this isolate for and from WebSocket visitors: the platform takes whatever a visitor sends, and keeps whatever
 * a visitor does not read, so their sum is bounded here. All relays of a self-hosted edge are in one isolate.
 */
export const backlog = new Backlog(MAX_WAITING);
