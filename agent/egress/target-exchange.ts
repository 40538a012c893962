import type { RecordEvents } from "../../shared/http/record.ts";

/** What a request on its way to the target takes from the visitor. `writable`: more of the answer is welcome. */
export type TargetExchange = Required<RecordEvents> & { fin: () => void; writable: () => void };
