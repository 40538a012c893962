import fc from "fast-check";
import { expect } from "vitest";
import type { FaultCode, Result } from "../../shared/result.ts";

// How tests look at what a parser answered.

/** The value of something that must parse. */
export function good<T>(result: Result<T>): T {
  if (!result.ok) expect.fail(`refused: ${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** The code of something that must be refused, by a printable sentence. */
export function refused(result: Result<unknown>): FaultCode {
  if (result.ok) expect.fail(`accepted as ${JSON.stringify(result.value)}`);
  expect(result.error.message).toMatch(/^[\x20-\x7e…]+$/);
  return result.error.code;
}

/** Any text at all: controls, other scripts, halves of surrogate pairs. */
export function anyText(maxLength = 40): fc.Arbitrary<string> {
  const unit = fc.oneof(fc.nat(0xff), fc.nat(0xffff));
  return fc.array(unit, { maxLength }).map((units) => String.fromCharCode(...units));
}
