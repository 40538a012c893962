import type { CarriedOverView } from "../shared/rule/api.ts";
import type { Edge } from "./edge.ts";
import { goodTokens, tokensToLookAt, tokenTable, type Since, type State } from "./revoked-since.ts";

/** What becomes of the tokens of a state that is put in place again. */
export type CarryOver = {
  /** What a later state of the same edge has ended, and what that is called; null where there is none. */
  later: { since: Since; name: string } | null;
  /** Ends every token. */
  revokeAll: boolean;
  /** When this was begun, in milliseconds since 1970. */
  began: number;
};

/**
 * Ends in an edge whose state is `then` what ended later, or everything; answers what its administrator has to know: one line or table a
 * text. Without a later state that is which tokens are good again. Throws Problem.
 */
export async function carryOver(edge: Edge, then: State, { later, revokeAll, began }: CarryOver): Promise<string[]> {
  if (!revokeAll && later === null) return goodTokens(then, began).length === 0 ? [] : goodAgainText(then, began);
  const { tokens = [], grants = [], keys: some = [], issued = [] } = later?.since ?? {};
  const keys = revokeAll ? then.tables.keys.map(({ kid }) => kid) : some;
  const carried = await edge.call<CarriedOverView>("POST", "/revocations", { tokens, keys, grants });
  if (revokeAll) return [...allRevokedText(then), ...grantsText(carried)];
  return [...revokedText(carried, later?.name ?? ""), ...issuedLaterText(issued)];
}

function goodAgainText(then: State, began: number): string[] {
  return [
    `warning: what was revoked after ${then.at} is good again, for this state can't know of it. Look through its tokens:\n`,
    tokensToLookAt(then, began),
    "  fix: sallyport token revoke JTI for each that should not be; or do this again with --former, which takes over what a later state has revoked, or with --revoke-agents, which ends every token\n",
    "tokens that were issued after it are refused: their holders need new ones\n",
  ];
}

function revokedText({ tokens, keys, grants }: CarriedOverView, name: string): string[] {
  return [
    `revoked here too, as in ${name}: ${counted(tokens, "token")}, ${counted(keys, "signing key")}, ${counted(grants, "grant")}\n`,
  ];
}

function issuedLaterText(issued: Since["issued"]): string[] {
  if (issued.length === 0) return [];
  return [
    "warning: these were issued later, so they are refused, agents whose token was renewed among them: issue new ones\n",
    tokenTable(issued),
  ];
}

function allRevokedText({ tables }: State): string[] {
  const sites = tables.sites.filter(({ removed }) => removed === null).map(({ name }) => name);
  const agents = sites.map((site) => `  sallyport token agent ${site} --out ${site}.token\n`);
  return [
    "every token is ended: of agents, gateways, visitors and administrators. New ones, with the options that they had:\n",
    "  sallyport login URL --secret-file FILE\n",
    ...agents,
    "  sallyport token gateway, and sallyport token visitor, for those who had one\n",
    "the admin secret is no token, and stays\n",
  ];
}

function grantsText({ grants }: CarriedOverView): string[] {
  return grants === 0
    ? []
    : [`${counted(grants, "grant")} that ended later, or whose link was used since, ended too\n`];
}

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
