import { fault, ok, quote, type Result } from "../result.ts";

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The name of a site or of a service in it: `warehouse-3`. Lower case letters, digits and inner hyphens, 1 to 63,
 * with a letter among them, so that `8080/tcp` can't be both a port and the service `tcp` of a site `8080`.
 */
export function parseName(text: string, what: "site" | "service"): Result<string> {
  if (NAME.test(text) && /[a-z]/.test(text)) return ok(text);
  return fault(
    "bad-name",
    `${quote(text)} is not a ${what} name.`,
    "Use 1 to 63 lower case letters, digits and inner hyphens, with at least one letter.",
  );
}
