import * as z from "zod";
import { removeGrant } from "./grant-changes.ts";
import { withdrawKey } from "./token-changes.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Id of a token, key or grant. */
const name = z.string().max(128);
/** Maximum entries of each kind: more than an edge has. */
const MAX_ENTRIES = 100_000;

/** Tokens, keys and grants to revoke, by `jti`, `kid` and id. Unknown ones, and those already ended, are ignored. */
export const Revocations = z.strictObject({
  tokens: z.array(name).max(MAX_ENTRIES).default([]),
  keys: z.array(name).max(MAX_ENTRIES).default([]),
  grants: z.array(name).max(MAX_ENTRIES).default([]),
});
export type Revocations = z.infer<typeof Revocations>;

/** Number of each that were valid until now and are revoked. */
export type RevokedCounts = { tokens: number; keys: number; grants: number };

/**
 * Revokes what a later state of this registry had revoked: a backup or an export made before does not contain that. Revokes each
 * token by itself, not its whole identity: the list names every token that the later state had revoked.
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
