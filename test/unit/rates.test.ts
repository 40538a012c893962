import { expect, test } from "vitest";
import { Rates } from "../../edge/relay/site/rates.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { parseMapping, type Mapping } from "../../shared/rule/mapping.ts";
import { unwrap } from "../../shared/result.ts";

test.each([
  ["192.0.2.1", "192.0.2.1", true],
  ["192.0.2.1", "::ffff:192.0.2.1", true],
  ["192.0.2.1", "192.0.2.2", false],
  ["2001:db8::1", "2001:db8::ffff:1:2:3", true],
  ["2001:db8::1", "2001:db8:0:1::1", false],
])("%s and %s are counted together: %s", (first, second, isSame) => {
  const rates = new Rates();
  const rule = mapping(1, 1);
  expect(rates.take(rule, unwrap(parseAddress(first)), 0)).toBeNull();
  const failure = rates.take(rule, unwrap(parseAddress(second)), 0);
  expect(failure?.code).toBe(isSame ? "too-many" : undefined);
});

test("the rate is of one mapping, refills with time, and a changed one applies at once", () => {
  const rates = new Rates();
  const source = unwrap(parseAddress("192.0.2.1"));
  const take = (rule: Mapping, now: number): boolean => rates.take(rule, source, now) === null;
  expect([take(mapping(1, 2), 0), take(mapping(1, 2), 0), take(mapping(1, 2), 0)]).toEqual([true, true, false]);
  expect(take(mapping(2, 2), 0)).toBe(true);
  expect([take(mapping(1, 2), 500), take(mapping(1, 2), 500)]).toEqual([true, false]);
  expect(take(mapping(1, 5), 500)).toBe(true);
  expect(Array.from({ length: 100 }, () => take(mapping(1, null), 0)).every(Boolean)).toBe(true);
});

test("a flood of sources does not fill the memory", () => {
  const rates = new Rates();
  const rule = mapping(1, 1);
  for (let each = 0; each < 10_001; each += 1) {
    rates.take(rule, unwrap(parseAddress(`10.${each >> 16}.${(each >> 8) & 255}.${each & 255}`)), 0);
  }
  // The first is forgotten, the last is not.
  expect(rates.take(rule, unwrap(parseAddress("10.0.39.16")), 0)?.code).toBe("too-many");
  expect(rates.take(rule, unwrap(parseAddress("10.0.0.0")), 0)).toBeNull();
});

function mapping(id: number, newPerSecond: number | null): Mapping {
  const draft = unwrap(parseMapping({ endpoint: "8080/tcp", site: "lab", target: "10.0.0.5:80", newPerSecond }));
  return { ...draft, id, revision: 1, created: { by: "admin", at: 0 }, changed: { by: "admin", at: 0 } };
}
