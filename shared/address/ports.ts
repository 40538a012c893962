import { fault, ok, quote, type Result } from "../result.ts";

/** Ports `first` to `last`, both included, 1 to 65535. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A set of ports: sorted ranges that neither overlap nor touch. Never empty. */
export type Ports = readonly PortRange[];

export const EVERY_PORT: Ports = [{ first: 1, last: 65535 }];

/** Most ranges in one list: more than any register has, and few enough for a linear search. */
const MAX_RANGES = 256;

/** Parses `8080`: decimal, without sign, leading zero or space; 0 is not a port. */
export function parsePort(text: string): Result<number> {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65535) return ok(Number(text));
  return fault("bad-ports", `${quote(text)} is not a port (1 to 65535).`);
}

/** `8080` or `8090-8099`. */
export function parsePortRange(text: string): Result<PortRange> {
  const [from = "", to = from, ...rest] = text.split("-");
  const first = parsePort(from);
  if (!first.ok) return first;
  const last = parsePort(to);
  if (!last.ok) return last;
  if (rest.length > 0) return fault("bad-ports", `${quote(text)} is not a range of ports.`);
  if (first.value > last.value) {
    return fault("bad-ports", `The range ${text} runs backwards.`, `Write ${last.value}-${first.value}.`);
  }
  return ok({ first: first.value, last: last.value });
}

/** Parses `8080,8090-8099`, in any order; overlaps are merged. Spaces are refused, because a shell would split the list there. */
export function parsePorts(text: string): Result<Ports> {
  const pieces = text.split(",");
  if (pieces.length > MAX_RANGES) {
    return fault("bad-ports", `A list of ports has at most ${MAX_RANGES} parts.`, "Write ranges, such as 8000-8999.");
  }
  const ranges: PortRange[] = [];
  for (const piece of pieces) {
    const range = parsePortRange(piece);
    if (!range.ok) return /\s/.test(text) ? spaced(text) : range;
    ranges.push(range.value);
  }
  return ok(merged(ranges));
}

function spaced(text: string): Result<Ports> {
  return fault("bad-ports", `${quote(text)} has spaces in it.`, "Write ports without spaces: 8080,8090-8099.");
}

/** The ports of all ranges together, in any order; without any, none. */
export function merged(ranges: readonly PortRange[]): Ports {
  const kept: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = kept.at(-1);
    if (before && range.first <= before.last + 1) {
      kept[kept.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    } else {
      kept.push(range);
    }
  }
  return kept;
}

export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** The canonical text: `parsePorts` gives the same set back. */
export function formatPorts(ports: Ports): string {
  return ports.map(formatPortRange).join(",");
}

export function containsPort(ports: Ports, port: number): boolean {
  return ports.some(({ first, last }) => first <= port && port <= last);
}

/** Whether every port of `range` is in `ports`. */
export function containsRange(ports: Ports, range: PortRange): boolean {
  return ports.some(({ first, last }) => first <= range.first && range.last <= last);
}

export function rangeSize({ first, last }: PortRange): number {
  return last - first + 1;
}

/** The lowest port in both ranges. */
export function sharedPort(a: PortRange, b: PortRange): number | undefined {
  const lowest = Math.max(a.first, b.first);
  return lowest <= Math.min(a.last, b.last) ? lowest : undefined;
}
