import * as z from "zod";
import { byName } from "./field.ts";
import { COMMON_FIELDS, HTTP_FIELDS, PLACE_FIELDS, PORT_FIELDS } from "./mapping-fields.ts";

/** How a target is spoken to behind an `http(s)://` endpoint. */
export const HttpOptionsInput = z.strictObject(byName(HTTP_FIELDS, "schema"));

/** What a user gives; everything but the first three has a default. Unknown fields are refused: they are typing errors. */
export const MappingInput = z.strictObject({
  ...byName(PLACE_FIELDS, "schema"),
  ...byName(COMMON_FIELDS, "schema"),
  http: HttpOptionsInput.nullable().default(null),
  ...byName(PORT_FIELDS, "schema"),
});

export type MappingInput = z.input<typeof MappingInput>;
export type HttpOptions = z.output<typeof HttpOptionsInput>;
export type Access = "public" | "token";

/**
 * A valid mapping that isn't in the register yet: every spelling canonical, every default filled in. It is valid input itself.
 */
export type MappingDraft = Readonly<Omit<z.output<typeof MappingInput>, "access">> & { readonly access: Access };
