import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { Problem } from "../link/problem.ts";
import { FIELDS, inputFrom, type NamedField } from "../shared/rule/fields.ts";
import { PLACE_FIELDS } from "../shared/rule/mapping-fields.ts";
import { parseBytes, wholeNumber } from "./amount.ts";
import { collect, type EdgeOptions } from "./context.ts";
import { parseDuration, parseMoment } from "./duration.ts";

/** The options of a rule as commander parsed them, by name. `false`, when editing: back to the default. */
export type RuleOptions = EdgeOptions & Readonly<Record<string, unknown>>;

/** Adds an option for each field. `edit`: also for endpoint, site and target, which `map add` takes as arguments, and for each opposite. */
export function withRuleOptions(command: Command, edit: boolean): Command {
  for (const field of fieldsOf(edit)) {
    const options = [optionOf(field)];
    const opposite = new Option(`--${oppositeOf(field.flag)}`, field.undo);
    // Commander makes the value of `--no-x` true by default unless `--x` was added before it.
    if (edit && field.undo !== undefined) options.splice(isNo(field.flag) ? 0 : 1, 0, opposite);
    for (const option of options) command.addOption(option);
  }
  return command;
}

/** Reads the fields of a rule that the options set. Throws Problem(usage). */
export function ruleFields(options: RuleOptions, now: number, edit: boolean): Record<string, unknown> {
  return inputFrom(
    fieldsOf(edit).map((field) => {
      const given = options[optionOf(field).attributeName()];
      if (given === undefined) return [field, undefined];
      if (field.argument === undefined) return [field, flagValue(field, given, edit)];
      return [field, given === false ? field.defaultValue : valueOf(field, given, now)];
    }),
  );
}

function fieldsOf(edit: boolean): readonly NamedField[] {
  return edit ? FIELDS : FIELDS.filter(({ name }) => !Object.hasOwn(PLACE_FIELDS, name));
}

function optionOf(field: NamedField): Option {
  const { flag, argument, help } = field;
  const option = new Option(`--${flag}${argument === undefined ? "" : ` <${argument}>`}`, help);
  switch (field.kind) {
    case "list":
      return option.argParser(collect);
    case "number":
      return option.argParser(NUMBERS[field.counts]);
    case "choice":
      return argument === undefined ? option : option.choices(Object.keys(field.choices).filter(Boolean));
    case "text":
    case "switch":
    case "moment":
    case "pem":
      return option;
  }
}

const NUMBERS = {
  whole: wholeNumber,
  bytes: parseBytes,
  seconds: (text: string): number => Math.round(parseDuration(text) / 1000),
} as const;

/** Converts an option's value to its field's. Throws Problem. */
function valueOf({ kind }: NamedField, given: unknown, now: number): unknown {
  switch (kind) {
    case "moment":
      return parseMoment(String(given), now);
    case "pem":
      return pemOf(String(given));
    case "text":
    case "list":
    case "choice":
    case "switch":
    case "number":
      return given;
  }
}

/** Returns the value that a flag without an argument sets; undefined where commander only reports that it was not given. */
function flagValue(field: NamedField, given: unknown, edit: boolean): unknown {
  if (given !== isNo(field.flag)) return field.sets ?? field.defaultValue === false;
  return edit ? field.defaultValue : undefined;
}

function isNo(flag: string): boolean {
  return flag.startsWith("no-");
}

function oppositeOf(flag: string): string {
  return isNo(flag) ? flag.slice("no-".length) : `no-${flag}`;
}

function pemOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw Problem.configuration(
      "ca-unreadable",
      `${file} can't be read: ${(error as Error).message}`,
      "give a file of PEM certificates",
    );
  }
}
