import { InvalidArgumentError } from "commander";
import { Problem } from "../link/problem.ts";

/** Parses the value of an option: a whole number from 1 to 999,999,999. Throws InvalidArgumentError. */
export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number from 1 to 999999999.");
}

/** Parses a number of bytes: `500000`, `64K`, `1.5M`, `1G`; K is 1024. Throws Problem(usage). */
export function parseBytes(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)([KMG]?)$/i.exec(text);
  const power = ["", "K", "M", "G"].indexOf((match?.[2] ?? "").toUpperCase());
  if (match !== null) return Math.round(Number(match[1]) * 1024 ** power);
  throw Problem.usage(
    "bytes-invalid",
    `${JSON.stringify(text)} is not a number of bytes`,
    "write it as 500000, 64K or 1.5M (K is 1024)",
  );
}

/** Formats a number of bytes for people: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`;
}
