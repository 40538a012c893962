import * as z from "zod";
import { Problem } from "../link/problem.ts";
import { table } from "./table.ts";

const ms = z.number();
const text = z.string();

/** The tables and fields of an edge's export that are compared; unknown ones, of later versions, are ignored. */
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
/** An edge's export at one moment. */
export type State = z.output<typeof State>;
type Token = State["tables"]["tokens"][number];

/** What a later state has revoked since an earlier one, and what the earlier one can't know. */
export type Revocations = {
  tokens: string[];
  keys: string[];
  grants: string[];
  /** Valid tokens that were issued later: an edge with the earlier state refuses them. */
  issued: Token[];
};

/** Milliseconds before a state within which revoked tokens are listed for review: an older copy may have made them valid again. */
const RECENT_MS = 7 * 24 * 3600_000;

/** Reads an export; `what` names it in errors. Throws Problem when it is not one. */
export function stateOf(archive: unknown, what: string): State {
  const parsed = State.safeParse(archive);
  if (parsed.success) return parsed.data;
  throw Problem.configuration(
    "state-unreadable",
    `${what} is not an edge's export: ${parsed.error.issues[0]?.path.join(".") ?? ""} is missing or of another type`,
    "give a file from sallyport export, or a data folder or backup of an edge",
  );
}

/**
 * Lists what `later`, a later state of the same edge, has revoked since `then`. A key that is missing there was withdrawn; a grant that
 * is missing or has an address was taken back or used. What either state wrote after `began` (milliseconds since 1970) comes from this
 * command itself and is ignored. Throws Problem when `later` is older, or of another edge.
 */
export function revokedSince(then: State, later: State, began: number): Revocations {
  const [before, after] = [then.tables, later.tables];
  const kids = new Set(after.keys.map(({ kid }) => kid));
  const tokens = new Map(after.tokens.map((token) => [token.jti, token]));
  // All keys may have been withdrawn since; the tokens that they signed are still listed.
  const isSame = before.keys.some(({ kid }) => kids.has(kid)) || before.tokens.some(({ jti }) => tokens.has(jti));
  if (!isSame && before.keys.length > 0)
    throw Problem.configuration(
      "former-other",
      "the former state is of another edge: the two have no key and no token in common",
      "name a former state of the same edge, or none",
    );
  if (lastChange(later, began) < lastChange(then, began))
    throw Problem.configuration(
      "former-older",
      `the former state is older than this one: last changed ${formatMinute(lastChange(later, began))}, this one ${formatMinute(lastChange(then, began))}`,
      "name a later state, or none",
    );
  const grants = new Map(after.grants.map((grant) => [grant.id, grant]));
  const known = new Set(before.tokens.map(({ jti }) => jti));
  const isUsed = ({ ipv4, ipv6 }: { ipv4: string | null; ipv6: string | null }): number =>
    Number(ipv4 !== null) + Number(ipv6 !== null);
  return {
    tokens: goodTokens(then, began).flatMap(({ jti }) => ((tokens.get(jti)?.revoked ?? null) === null ? [] : [jti])),
    // A key that no token needed was deleted, not withdrawn.
    keys: before.keys.flatMap(({ kid, needed_until }) => (kids.has(kid) || needed_until <= began ? [] : [kid])),
    grants: before.grants.flatMap((grant) => {
      const now = grants.get(grant.id);
      return grant.until > began && (now === undefined || isUsed(now) > isUsed(grant)) ? [grant.id] : [];
    }),
    issued: goodTokens(later, began).filter(({ jti }) => !known.has(jti)),
  };
}

/** Lists the tokens that are valid in a state, the newest last. */
export function goodTokens({ tables }: State, now: number): Token[] {
  // This command has logged in to look, within this second at the earliest: that token, an admin's, does not count.
  const second = now - (now % 1000);
  const isOwn = ({ kind, issued }: Token): boolean => kind === "admin" && issued >= second;
  return tables.tokens.filter((token) => token.revoked === null && token.expires > now && !isOwn(token));
}

/** Makes a table of the tokens to review before a state is restored: those valid in it, and those revoked shortly before. */
export function tokensToLookAt(state: State, now: number): string {
  const good = goodTokens(state, now);
  const since = Date.parse(state.at) - RECENT_MS;
  const recent = state.tables.tokens.filter(({ revoked }) => revoked !== null && revoked > since && revoked < now);
  return tokenTable([...good, ...recent]);
}

export function tokenTable(tokens: readonly Token[]): string {
  return table(tokens, [
    { title: "JTI", value: ({ jti }) => jti },
    { title: "KIND", value: ({ kind }) => kind },
    { title: "SITE", value: ({ site }) => site ?? "" },
    { title: "ISSUED", value: ({ issued }) => formatMinute(issued) },
    { title: "REVOKED", value: ({ revoked }) => (revoked === null ? "" : formatMinute(revoked)) },
  ]);
}

function formatMinute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

function lastChange({ tables }: State, began: number): number {
  return tables.audit.reduce((last, { at }) => (at < began ? Math.max(last, at) : last), 0);
}
