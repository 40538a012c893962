import { expect, test } from "vitest";
import { Hellos } from "../../edge/relay/hellos.ts";
import { HELLO_BURST, HELLOS_PER_SECOND } from "../../shared/wire/limits.ts";

/** How often out of so many an identity is let in, all within the same millisecond. */
function flood(hellos: Hellos, identity: string, times: number, now: number): number {
  let permitted = 0;
  for (let n = 0; n < times; n += 1) if (hellos.permit(identity, now)) permitted += 1;
  return permitted;
}

test("who comes again and again is told to wait before storage is written for it; another is let in", () => {
  const hellos = new Hellos();
  expect(flood(hellos, "visitor:x", 10_000, 0)).toBe(HELLO_BURST);
  expect(hellos.permit("agent:y", 0)).toBe(true);
  expect(flood(hellos, "visitor:x", 10_000, 1_000)).toBe(HELLOS_PER_SECOND);
});

test("a flood of identities does not fill the memory", () => {
  const hellos = new Hellos();
  flood(hellos, "visitor:x", 10_000, 0);
  for (let n = 0; n < 5_000; n += 1) hellos.permit(`visitor:${n}`, 0);
  expect(flood(hellos, "visitor:x", 10_000, 0)).toBe(HELLO_BURST);
});
