import type { RecordEvents } from "../../shared/http/record.ts";

/** One HTTP request or WebSocket at a target: what takes the visitor's records. `writable`: the stream takes more of the answer. */
export type TargetExchange = Required<RecordEvents> & { fin: () => void; writable: () => void };
