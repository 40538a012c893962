import * as z from "zod";
import { removeGrant } from "./grant-changes.ts";
import { withdrawKey } from "./token-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Characters of the longest name of a token, key or grant. */
const name = z.string().max(128);
/** Of each kind: more than an edge has. */
const MAX_ENTRIES = 100_000;

/** What has ended elsewhere, by `jti`, `kid` and id; what is not known here, or has ended, is passed over. */
export const Revocations = z.strictObject({
  tokens: z.array(name).max(MAX_ENTRIES).default([]),
  keys: z.array(name).max(MAX_ENTRIES).default([]),
  grants: z.array(name).max(MAX_ENTRIES).default([]),
});
export type Revocations = z.infer<typeof Revocations>;

/** How many of each are revoked that were good until now. */
export type RevokedCounts = { tokens: number; keys: number; grants: number };

/**
 * Revokes what another state of this registry, a later one, had revoked: a backup or an export can't know of it. Each token by
 * itself: whether others of its identity are good that state knows as well.
 */
export async function carryOver(store: Store, wanted: Revocations, actor: Actor): Promise<RevokedCounts> {
  const carried: RevokedCounts = { tokens: 0, keys: 0, grants: 0 };
  for (const kid of wanted.keys) {
    const withdrawn = await withdrawKey(store, kid, actor);
    if (!withdrawn.ok) continue;
    carried.keys += 1;
    carried.tokens += withdrawn.value.revoked.length;
  }
  for (const jti of wanted.tokens) carried.tokens += store.tokens.revoke(jti, actor.now) ? 1 : 0;
  for (const id of wanted.grants) carried.grants += removeGrant(store, id, actor).ok ? 1 : 0;
  store.sites.touchAll();
  const detail = `${carried.tokens} tokens, ${carried.keys} keys, ${carried.grants} grants`;
  store.journal.audit(actor, "revocations", "registry", detail);
  return carried;
}
