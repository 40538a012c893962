import type { RecordEvents } from "../../shared/http-record.ts";

/** What a request on its way to the target takes from the visitor. */
export type Conversation = RecordEvents & { fin: () => void };
