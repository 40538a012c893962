import * as z from "zod";
import { Problem } from "../link/problem.ts";
import { table } from "./table.ts";

const ms = z.number();
const text = z.string();

/** What matters here of an edge's export: fields and tables of later versions are passed over. */
const State = z.object({
  at: z.iso.datetime(),
  tables: z.object({
    keys: z.array(z.object({ kid: text, needed_until: ms })),
    sites: z.array(z.object({ name: text, removed: ms.nullable() })),
    grants: z.array(z.object({ id: text, until: ms, ipv4: text.nullable(), ipv6: text.nullable() })),
    tokens: z.array(
      z.object({
        jti: text,
        kind: text,
        sub: text,
        site: text.nullable(),
        issued: ms,
        expires: ms,
        revoked: ms.nullable(),
      }),
    ),
    audit: z.array(z.object({ at: ms })),
  }),
});
/** What an edge knew at some moment. */
export type State = z.output<typeof State>;
type Token = State["tables"]["tokens"][number];

/** What a later state has ended, and what an earlier one can't know. */
export type Since = {
  tokens: string[];
  keys: string[];
  grants: string[];
  /** Good tokens that were issued later: the earlier state refuses them. */
  issued: Token[];
};

/** Milliseconds before a state in which a revocation is worth a look: what was revoked just before may have come back by an older copy. */
const LATELY_MS = 7 * 24 * 3600_000;

/** Reads an export. Throws Problem when it is none. */
export function stateOf(archive: unknown, what: string): State {
  const parsed = State.safeParse(archive);
  if (parsed.success) return parsed.data;
  throw Problem.configuration(
    "state-unreadable",
    `${what} is not what an edge exports: ${parsed.error.issues[0]?.path.join(".") ?? ""}`,
    "give what sallyport export printed, or a data folder or backup of an edge",
  );
}

/**
 * What `later`, another state of the same edge, has ended since `then`: a key that is missing was withdrawn, a grant that is missing or
 * in use was taken back or used. `began`: what either has written since then, in milliseconds since 1970, is of this very look.
 * Throws Problem when it is not later, or not the same edge.
 */
export function revokedSince(then: State, later: State, began: number): Since {
  const [before, after] = [then.tables, later.tables];
  const kids = new Set(after.keys.map(({ kid }) => kid));
  const tokens = new Map(after.tokens.map((token) => [token.jti, token]));
  // All keys of one may have been withdrawn since; what they signed is listed still.
  const isSame = before.keys.some(({ kid }) => kids.has(kid)) || before.tokens.some(({ jti }) => tokens.has(jti));
  if (!isSame && before.keys.length > 0)
    throw Problem.configuration(
      "former-other",
      "that is the state of another edge: they share nothing",
      "name another",
    );
  if (lastChange(later, began) < lastChange(then, began))
    throw Problem.configuration("former-older", "that is an older state than this one", "name a later one, or none");
  const grants = new Map(after.grants.map((grant) => [grant.id, grant]));
  const known = new Set(before.tokens.map(({ jti }) => jti));
  const isUsed = ({ ipv4, ipv6 }: { ipv4: string | null; ipv6: string | null }): number =>
    Number(ipv4 !== null) + Number(ipv6 !== null);
  return {
    tokens: goodTokens(then, began).flatMap(({ jti }) => ((tokens.get(jti)?.revoked ?? null) === null ? [] : [jti])),
    // One that nothing needs any more was forgotten, not withdrawn.
    keys: before.keys.flatMap(({ kid, needed_until }) => (kids.has(kid) || needed_until <= began ? [] : [kid])),
    grants: before.grants.flatMap((grant) => {
      const now = grants.get(grant.id);
      return grant.until > began && (now === undefined || isUsed(now) > isUsed(grant)) ? [grant.id] : [];
    }),
    issued: goodTokens(later, began).filter(({ jti }) => !known.has(jti)),
  };
}

/** Tokens that a state takes for good, the newest last. */
export function goodTokens({ tables }: State, now: number): Token[] {
  // Whoever looks has logged in for it, within this second at the earliest.
  const second = now - (now % 1000);
  return tables.tokens.filter(({ revoked, expires, issued }) => revoked === null && expires > now && issued < second);
}

/** The tokens that somebody who puts a state in place should look at: those that are good in it, and those revoked shortly before. */
export function tokensToLookAt(state: State, now: number): string {
  const good = goodTokens(state, now);
  const since = Date.parse(state.at) - LATELY_MS;
  const lately = state.tables.tokens.filter(({ revoked }) => revoked !== null && revoked > since && revoked < now);
  return tokenTable([...good, ...lately]);
}

export function tokenTable(tokens: readonly Token[]): string {
  return table(tokens, [
    { title: "JTI", value: ({ jti }) => jti },
    { title: "KIND", value: ({ kind }) => kind },
    { title: "SITE", value: ({ site }) => site ?? "" },
    { title: "ISSUED", value: ({ issued }) => minute(issued) },
    { title: "REVOKED", value: ({ revoked }) => (revoked === null ? "" : minute(revoked)) },
  ]);
}

function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

function lastChange({ tables }: State, began: number): number {
  return tables.audit.reduce((last, { at }) => (at < began ? Math.max(last, at) : last), 0);
}
