import type { MappingStatus, MappingView } from "../shared/rule/api.ts";
import { parseEndpoint } from "../shared/address/endpoint.ts";
import { unwrap } from "../shared/result.ts";
import { FIELDS, textOf, valueOf } from "../shared/rule/fields.ts";
import type { Hour, Rate, Traffic } from "./traffic.ts";

/** A row of the list of mappings: the rule, its state and its traffic. */
export interface Row {
  readonly mapping: MappingView;
  readonly status: MappingStatus | undefined;
  readonly rate: Rate | undefined;
  readonly hour: Hour | undefined;
  /** Where it stands by its endpoint: ports by their number, hosts and services after them. */
  readonly port: number;
}

const SEARCHED = FIELDS.filter(({ isSearched }) => isSearched === true);

export const ORDERS = ["endpoint", "name", "site", "streams", "hour", "used"] as const;
export type Order = (typeof ORDERS)[number];

/** Filter and order of the list of mappings. `down`: descending. */
export interface RegisterQuery {
  readonly text: string;
  readonly site: string;
  readonly tag: string;
  readonly order: Order;
  readonly down: boolean;
}

/** Joins mappings with their status and traffic. */
export function rowsOf(
  mappings: readonly MappingView[],
  statuses: readonly MappingStatus[],
  { rates, hours }: Traffic,
): Row[] {
  const byId = new Map(statuses.map((status) => [status.id, status]));
  return mappings.map((mapping) => ({
    mapping,
    status: byId.get(mapping.id),
    rate: rates.get(mapping.id),
    hour: hours.get(mapping.id),
    port: portOf(mapping),
  }));
}

/** Filters and sorts rows. Each word of `text` must occur somewhere in the rule. */
export function selectRows(rows: readonly Row[], { text, site, tag, order, down }: RegisterQuery): Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter(({ mapping }) => {
    if (site !== "" && mapping.site !== site) return false;
    if (tag !== "" && !mapping.tags.includes(tag)) return false;
    if (words.length === 0) return true;
    const all = SEARCHED.map((field) => textOf(valueOf(mapping, field), field, " "))
      .join(" ")
      .toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const sign = down ? -1 : 1;
  return kept.toSorted((a, b) => sign * compare(a, b, order) || byEndpoint(a, b));
}

/** Moves rows with a problem to the front, and otherwise keeps the order. */
export function worstFirst(rows: readonly Row[]): Row[] {
  return [...rows.filter(hasProblem), ...rows.filter((row) => !hasProblem(row))];
}

function hasProblem({ status }: Row): boolean {
  return status !== undefined && status.state !== "ready";
}

function compare(a: Row, b: Row, order: Order): number {
  switch (order) {
    case "endpoint":
      return byEndpoint(a, b);
    case "name":
      return a.mapping.name.localeCompare(b.mapping.name);
    case "site":
      return a.mapping.site.localeCompare(b.mapping.site);
    case "streams":
      return streamsOf(a) - streamsOf(b);
    case "hour":
      return sum(a.hour) - sum(b.hour);
    case "used":
      return (a.mapping.lastUsed ?? "").localeCompare(b.mapping.lastUsed ?? "");
  }
}

/** Returns the number of open streams. */
export function streamsOf({ rate, status }: Row): number {
  return rate?.streams ?? status?.streams ?? 0;
}

function byEndpoint(a: Row, b: Row): number {
  return a.port - b.port || a.mapping.endpoint.localeCompare(b.mapping.endpoint);
}

/** Returns the sort key of an endpoint: its port number; hosts and services come after all ports. */
function portOf({ endpoint: text }: MappingView): number {
  const endpoint = unwrap(parseEndpoint(text));
  return endpoint.kind === "port" ? endpoint.first : 1_000_000;
}

function sum(hour: Hour | undefined): number {
  return hour?.reduce((total, each) => total + each, 0) ?? 0;
}
