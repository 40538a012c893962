/**
 * A part of a token in base64url: groups of four characters, then one group of two, three or four. Two characters hold 12 bits for
 * 8, three hold 18 for 16. Decoders ignore the unused bits, so a value has 16 or 4 spellings unless they have to be zero.
 */
const PART = String.raw`(?:[\w-]{4})*(?:[\w-]{4}|[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])`;
const TOKEN = new RegExp(String.raw`^${PART}\.${PART}\.${PART}$`);

/** Tells whether a text has the form of a token: three parts in canonical base64url, without padding, joined by dots. */
export function isTokenText(text: string): boolean {
  return TOKEN.test(text);
}
