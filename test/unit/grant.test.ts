import { expect, test } from "vitest";
import { parseAddress } from "../../shared/address/address.ts";
import { admits, type Grant } from "../../shared/rule/grant.ts";
import { good } from "./parsed.ts";

const GRANT: Grant = {
  id: "g1",
  mappings: [7, 8],
  addresses: ["203.0.113.9", "2001:db8:1:2:aaaa::1"],
  to: "Ada's phone",
  created: 1_000,
  until: 2_000,
  by: "admin:1",
};

test.each([
  ["203.0.113.9", 7, 1_500, true],
  ["203.0.113.9", 8, 1_999, true],
  ["203.0.113.9", 7, 2_000, false],
  ["203.0.113.9", 9, 1_500, false],
  ["203.0.113.10", 7, 1_500, false],
  ["::ffff:203.0.113.9", 7, 1_500, true],
  ["2001:db8:1:2:aaaa::1", 7, 1_500, true],
  ["2001:db8:1:2:bbbb::2", 7, 1_500, true],
  ["2001:db8:1:3:aaaa::1", 7, 1_500, false],
  ["2002:cb00:7109::1", 7, 1_500, false],
])("%s may use mapping %d at %d: %s", (address, mapping, now, may) => {
  expect(admits([GRANT], mapping, good(parseAddress(address)), now)?.id).toBe(may ? "g1" : undefined);
});

test.each([
  ["64:ff9b::cb00:7109", "64:ff9b::cb00:710a"],
  ["2001:0:808:808:0:1234:34ff:8ef6", "2001:0:808:808:0:1234:34ff:8ef5"],
])("the neighbours of %s behind its translator are strangers", (opened, neighbour) => {
  const grants = [{ ...GRANT, addresses: [opened] }];
  expect(admits(grants, 7, good(parseAddress(opened)), 1_500)?.id).toBe("g1");
  expect(admits(grants, 7, good(parseAddress(neighbour)), 1_500)).toBeUndefined();
});

test("a grant nobody has opened admits nobody", () => {
  expect(admits([{ ...GRANT, addresses: [] }], 7, good(parseAddress("203.0.113.9")), 1_500)).toBeUndefined();
});

test("the one that admits is found among others", () => {
  const others = [
    { ...GRANT, id: "g0", until: 1_200 },
    { ...GRANT, id: "g2", mappings: [9] },
  ];
  expect(admits([...others, GRANT], 7, good(parseAddress("203.0.113.9")), 1_500)?.id).toBe("g1");
});
