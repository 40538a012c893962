import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { hasCredentials } from "../link/dial/proxy.ts";
import { LEVELS, type Level } from "../link/log.ts";
import { Problem } from "../link/problem.ts";
import { nearest } from "../shared/nearest.ts";

/** The settings in a configuration file. Its keys are the names of the flags. */
export type Config = {
  tokenFile?: string | undefined;
  allow?: string[];
  deny?: string[];
  edge?: string;
  insecure?: boolean;
  proxy?: string;
  proxyFile?: string | undefined;
  ca?: string | undefined;
  metrics?: string;
  log?: "pretty" | "json";
  logLevel?: Level;
};

type Kind = "text" | "texts" | "switch";
type Entry = { field: keyof Config; kind: Kind; among?: readonly string[] };

const KEYS: Record<string, Entry> = {
  "token-file": { field: "tokenFile", kind: "text" },
  allow: { field: "allow", kind: "texts" },
  deny: { field: "deny", kind: "texts" },
  edge: { field: "edge", kind: "text" },
  insecure: { field: "insecure", kind: "switch" },
  proxy: { field: "proxy", kind: "text" },
  "proxy-file": { field: "proxyFile", kind: "text" },
  ca: { field: "ca", kind: "text" },
  metrics: { field: "metrics", kind: "text" },
  log: { field: "log", kind: "text", among: ["pretty", "json"] },
  "log-level": { field: "logLevel", kind: "text", among: LEVELS },
};

/**
 * Reads a TOML file. An unknown key is an error: a misspelt `deny` that is ignored would permit what it forbids.
 * Relative paths in the file start at the file's own folder. Throws Problem.
 */
export function readConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw wrong(`${file} can't be read (${(error as NodeJS.ErrnoException).code})`, "check the path and its owner");
  }
  const config = parseConfig(text, file);
  const from = (path: string | undefined) => (path === undefined ? path : resolve(dirname(file), path));
  return { ...config, tokenFile: from(config.tokenFile), proxyFile: from(config.proxyFile), ca: from(config.ca) };
}

/** Parses the text of a configuration file. `file` names it in messages. Throws Problem. */
export function parseConfig(text: string, file: string): Config {
  let table: Record<string, unknown>;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw wrong(
      `${file}:${error.line}:${error.column}: ${firstLine(error.message)}`,
      "correct that line; text values need quotes",
    );
  }
  const config: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const entry = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (entry === undefined) throw unknownKey(file, key);
    const fault = faultOf(value, entry);
    if (fault !== undefined) throw wrong(`${file}: ${key} ${fault}`, `write ${exampleOf(key, entry)}`);
    if (key === "proxy" && hasCredentials(String(value))) throw password(file);
    config[entry.field] = value;
  }
  return config;
}

function unknownKey(file: string, key: string): Problem {
  if (key === "token") {
    return wrong(
      `${file}: a token must not be in a configuration file`,
      'put it into a file of its own, with mode 600: token-file = "token"',
    );
  }
  const suggestion = nearest(key.replaceAll("_", "-"), Object.keys(KEYS));
  const fix = suggestion === undefined ? `the keys are ${Object.keys(KEYS).join(", ")}` : `did you mean ${suggestion}?`;
  return wrong(`${file}: unknown key ${JSON.stringify(key)}`, fix);
}

function password(file: string): Problem {
  return wrong(
    `${file}: a proxy's password must not be in a configuration file`,
    'put its URL into a file of its own, with mode 600: proxy-file = "proxy"',
  );
}

function faultOf(value: unknown, { kind, among }: Entry): string | undefined {
  switch (kind) {
    case "text":
      if (typeof value !== "string" || value === "") return "is not a text in quotes";
      return among === undefined || among.includes(value) ? undefined : `is not one of ${among.join(", ")}`;
    case "texts":
      return Array.isArray(value) && value.every((each) => typeof each === "string")
        ? undefined
        : "is not a list of texts";
    case "switch":
      return typeof value === "boolean" ? undefined : "is neither true nor false";
  }
}

function exampleOf(key: string, { kind, among }: Entry): string {
  switch (kind) {
    case "text":
      return `${key} = "${among?.[0] ?? "…"}"`;
    case "texts":
      return `${key} = ["192.168.2.0/24:80,443"]`;
    case "switch":
      return `${key} = true`;
  }
}

function wrong(cause: string, fix: string): Problem {
  return Problem.configuration("config-invalid", cause, fix);
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
