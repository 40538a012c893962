import type { Demand } from "../../../shared/session/division.ts";

/** A demand as a socket's attachment holds it. Attachments outlive upgrades, so the keys are those of the first edition. */
export type StoredDemand = { readonly wants: number; readonly stuck: number };

export function storedDemand({ bytes, unread }: Demand): StoredDemand {
  return { wants: bytes, stuck: unread };
}

export function readDemand({ wants, stuck }: StoredDemand): Demand {
  return { bytes: wants, unread: stuck };
}
