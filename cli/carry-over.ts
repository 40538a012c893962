import type { CarriedOverView } from "../shared/rule/api.ts";
import type { Edge } from "./edge.ts";
import { goodTokens, tokensToLookAt, tokenTable, type Revocations, type State } from "./revoked-since.ts";

/** Which tokens, keys and grants of a restored state to revoke. */
export type CarryOver = {
  /** What a later state of the same edge has revoked, and the name of that state; null: there is none. */
  later: { revocations: Revocations; name: string } | null;
  /** Revoke every token. */
  revokeAll: boolean;
  /** When the command started, in milliseconds since 1970. */
  began: number;
};

/**
 * Revokes, in an edge whose state is `then`, what was revoked later, or every token. Returns messages for the admin, each a line or a
 * table; without a later state, they list the tokens that are valid again. Throws Problem.
 */
export async function carryOver(edge: Edge, then: State, { later, revokeAll, began }: CarryOver): Promise<string[]> {
  if (!revokeAll && later === null) return goodTokens(then, began).length === 0 ? [] : goodAgainText(then, began);
  const { tokens = [], grants = [], keys: some = [], issued = [] } = later?.revocations ?? {};
  const keys = revokeAll ? then.tables.keys.map(({ kid }) => kid) : some;
  const carried = await edge.call<CarriedOverView>("POST", "/revocations", { tokens, keys, grants });
  if (revokeAll) return [...allRevokedText(then), ...grantsText(carried)];
  return [...revokedText(carried, later?.name ?? ""), ...issuedLaterText(issued)];
}

function goodAgainText(then: State, began: number): string[] {
  return [
    `warning: tokens that were revoked after ${then.at} are valid again, because this state is older. Review its tokens:\n`,
    tokensToLookAt(then, began),
    "  fix: sallyport token revoke JTI for each that should not be valid; or run this again with --former, which takes over the revocations of a later state, or with --revoke-agents, which revokes every token\n",
    "the edge refuses tokens that were issued after that time: issue new ones\n",
  ];
}

function revokedText({ tokens, keys, grants }: CarriedOverView, name: string): string[] {
  return [
    `revoked, as in ${name}: ${counted(tokens, "token")}, ${counted(keys, "signing key")}, ${counted(grants, "grant")}\n`,
  ];
}

function issuedLaterText(issued: Revocations["issued"]): string[] {
  if (issued.length === 0) return [];
  return [
    "warning: the edge refuses these tokens, because they were issued later than this state (renewed tokens of agents too): issue new ones\n",
    tokenTable(issued),
  ];
}

function allRevokedText({ tables }: State): string[] {
  const sites = tables.sites.filter(({ removed }) => removed === null).map(({ name }) => name);
  const agents = sites.map((site) => `  sallyport token agent ${site} --out ${site}.token\n`);
  return [
    "every token is revoked: of agents, gateways, visitors and admins. Issue new ones, with the options that the old ones had:\n",
    "  sallyport login URL --secret-file FILE\n",
    ...agents,
    "  sallyport token gateway and sallyport token visitor, where they are needed\n",
    "the admin secret is not a token and stays valid\n",
  ];
}

function grantsText({ grants }: CarriedOverView): string[] {
  return grants === 0
    ? []
    : [`ended too: ${counted(grants, "grant")}, which ended later or whose link was used since\n`];
}

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
