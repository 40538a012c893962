import type * as z from "zod";
import { transports, type Endpoint } from "../address/endpoint.ts";

// The properties of a field in the table of mapping-fields.ts. How a kind of field is written at a command is in
// cli/rule-options.ts, and its control in the dashboard's form in dashboard/form.ts.

/** The kinds of values that fields have. */
export type Kind =
  /** A word or a line. If it may be null, "" stands for null. */
  | { readonly kind: "text" }
  /** Words without order. */
  | { readonly kind: "list" }
  /** One of a few words, with the meaning of each; `""` stands for the default. */
  | { readonly kind: "choice"; readonly choices: Readonly<Record<string, string>> }
  /** Yes or no. */
  | { readonly kind: "switch" }
  /** A whole number or null; commands take bytes with a unit (64K), and seconds as a length of time (2m). */
  | { readonly kind: "number"; readonly counts: "whole" | "bytes" | "seconds" }
  /** Milliseconds since 1970, in answers of the API ISO 8601, or null. */
  | { readonly kind: "moment" }
  /** Certificates or null; commands take the name of a file that has them. */
  | { readonly kind: "pem" };

/** The kind of endpoint or target for which a field has a meaning. */
export type Fitting = "tcp" | "tcp-port" | "udp" | "http" | "https-target";

export type Field = Kind & {
  /** Its grammar as input, with its default. */
  readonly schema: z.ZodType;
  /** Its form in answers of the API. */
  readonly view: z.ZodType;

  /** Its name in `map show`, and in a column that it shares. */
  readonly title: string;
  /** The column of the register's Markdown and CSV; absent: "Options", which it shares with others. */
  readonly column?: string;
  /** Unit after the value in a column that it shares; if absent, the title comes before the value. */
  readonly unit?: string;

  /** The part of the dashboard's form that contains it; if absent, the further options. */
  readonly form?: "place" | "register" | "visitors";
  readonly label: string;
  readonly hint?: string;
  /** The dashboard's text where there is no value. */
  readonly none?: string;
  /** True for prose, whose spelling the browser checks. */
  readonly isProse?: true;
  /** True if the dashboard's search covers it. */
  readonly isSearched?: true;

  /** The option of `map add` and `map edit`, without the leading dashes. */
  readonly flag: string;
  /** What follows the flag. Without it, the flag means `sets`, or the opposite of the default of a switch. */
  readonly argument?: string;
  readonly sets?: string;
  readonly help: string;
  /** Help of the opposite flag, with which `map edit` sets the default again. */
  readonly undo?: string;

  /** Absent: every mapping may have it. */
  readonly fits?: Fitting;
  /** Why a mapping of another kind is refused. */
  readonly misfit?: string;
  /** True if it decides which visitors are let in, or how many and how fast. */
  readonly admits?: true;
  /**
   * Set for fields that earlier versions refuse: they are stored only if they differ from the default. `register`: relays don't use
   * the field and don't get it.
   */
  readonly later?: "rule" | "register";
};

/** One property of every field of a table, by the field's name. */
export function byName<Fields extends Record<string, Field>, Property extends "schema" | "view">(
  fields: Fields,
  property: Property,
): { [Name in keyof Fields]: Fields[Name][Property] } {
  const entries = Object.entries(fields).map(([name, field]) => [name, field[property]]);
  return Object.fromEntries(entries) as { [Name in keyof Fields]: Fields[Name][Property] };
}

/** Whether a field has a meaning at this endpoint, in front of this target. */
export function appliesTo({ fits }: Pick<Field, "fits">, endpoint: Endpoint, target: string): boolean {
  switch (fits) {
    case undefined:
      return true;
    case "tcp":
    case "udp":
      return transports(endpoint).includes(fits);
    case "tcp-port":
      return endpoint.kind === "port" && transports(endpoint).includes("tcp");
    case "http":
      return endpoint.kind === "http";
    case "https-target":
      return endpoint.kind === "http" && /^https:/i.test(target);
  }
}
