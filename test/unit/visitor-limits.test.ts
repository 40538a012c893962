import { expect, test } from "vitest";
import { VisitorLimits } from "../../gateway/visitor-limits.ts";

test("one source, an IPv6 network of 64 bits too, takes half of a gateway's streams at most", () => {
  const visitors = new VisitorLimits(64);
  let taken = 0;
  while (visitors.enter(taken % 2 === 0 ? "192.0.2.1" : "::ffff:192.0.2.1")) taken += 1;
  expect(taken).toBe(32);
  expect(visitors.enter("192.0.2.2")).toBe(true);
  visitors.leave("192.0.2.2");
  taken = 0;
  while (visitors.enter(`2001:db8::${taken.toString(16)}`)) taken += 1;
  expect(taken).toBe(16);
  expect(visitors.enter("2001:db8:0:1::1")).toBe(true);
});

test("forged sources push out each other, never a peer that has been heard twice", () => {
  const visitors = new VisitorLimits(64);
  const flows = new Set<string>();
  const open = (host: string): (() => void) => {
    const end = (): void => {
      flows.delete(host);
      visitors.removeUnproven(end);
      visitors.leave(host);
    };
    expect(visitors.enter(host)).toBe(true);
    flows.add(host);
    visitors.addUnproven(end);
    return end;
  };
  visitors.removeUnproven(open("192.0.2.1"));
  for (let n = 0; n < 5_000; n += 1) open(`10.1.${n >> 8}.${n & 255}`);
  expect(flows.has("192.0.2.1")).toBe(true);
  expect(flows.size).toBe(48);
  expect([...flows].at(-1)).toBe("10.1.19.135");
});
