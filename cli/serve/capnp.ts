// Cap'n Proto text literals. Paths and names in a generated config come from users; none of them may end a literal early.

/** Writes `value` as a literal with quotes. Throws RangeError on NUL, which workerd's C strings can't hold. */
export function quote(value: string): string {
  if (value.includes("\0")) throw new RangeError("workerd's configuration can't contain a NUL character");
  // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
  return `"${value.replace(/["\\]/g, "\\$&").replace(/[\u0001-\u001f\u007f]/g, escapeByte)}"`;
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
