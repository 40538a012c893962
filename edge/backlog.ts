import { UnreadLimit } from "../shared/unread-limit.ts";
import { MAX_WAITING } from "../shared/http/limits.ts";

/**
 * Limits the bytes that wait in this isolate to and from WebSocket visitors. The platform accepts all that a visitor sends, and
 * queues all that a visitor does not read, without a limit of its own. All relays of a self-hosted edge share one isolate.
 */
export const backlog = new UnreadLimit(MAX_WAITING);
