// A path has one spelling on the wire and many readings: proxies decode it, servers decode it again, Windows ignores case and
// dots at the end of a name, Tomcat cuts at `;`, IIS has several spellings of a letter. A prefix that is closed must be closed in
// every reading.

/** Most readings that are checked: an honest path has a handful. */
const MAX_READINGS = 96;
/** Most characters of all readings together (at least twice the path's own): bounds the work for a hostile path. */
const MAX_CHARACTERS = 48 * 1024;
/** Decodings followed one by one: a proxy's, a server's, an application's, and some more. Then a path is decoded to the end. */
const MAX_DECODINGS = 8;

/** Something that some server does to a path. Returns the same text where there is nothing to do. */
type Step = (path: string) => string;

/** Decodes `%41`, and `%u0041` as IIS does, once. Malformed escapes stay. */
function decoded(path: string): string {
  if (!path.includes("%")) return path;
  return path.replace(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, (_, wide: string | undefined, byte: string) =>
    String.fromCharCode(Number.parseInt(wide ?? byte, 16)),
  );
}

/** Decodes as servers that split into segments first, and as URL parsers that decode `%2e`: escaped slashes stay. */
function decodedWithin(path: string): string {
  if (!path.includes("%")) return path;
  return path.replace(/%(?!2f|5c)([0-9a-f]{2})/gi, (_, byte: string) => String.fromCharCode(Number.parseInt(byte, 16)));
}

/**
 * Replaces characters that are read as others: overlong UTF-8, full-width letters, and characters that case-insensitive file
 * systems ignore.
 */
function unified(path: string): string {
  if (!/\P{ASCII}/u.test(path)) return path;
  const narrow = path
    .replace(/(?:[\u00c0\u00c1]|\u00e0[\u0080\u0081]|\u00f0\u0080[\u0080\u0081])[^]/g, lowBits)
    // Bytes that are not UTF-8 are dropped, as by some decoders.
    .replace(
      /[\u00c2-\u00df][\u0080-\u00bf]|[\u00e0-\u00ef][\u0080-\u00bf]{2}|[\u00f0-\u00f4][\u0080-\u00bf]{3}|[\u0080-\u00ff]/g,
      utf8,
    );
  return narrow
    .normalize("NFKC")
    .replace(/[\u2044\u2215\u29f8]/g, "/")
    .replace(/[\u2216\u29f5]/g, "\\")
    .replace(/[\p{Default_Ignorable_Code_Point}\u0080-\u009f\ufffd]/gu, "");
}

/**
 * Overlong UTF-8. Decoders that check too little take the low bits of whatever comes last: `%c0%af` is a slash, `%c1%61` an
 * `a`.
 */
function lowBits(bytes: string): string {
  const last = bytes.length - 1;
  return String.fromCharCode(((bytes.charCodeAt(last - 1) & 0x3f) << 6) | (bytes.charCodeAt(last) & 0x3f));
}

const utf8Decoder = new TextDecoder();

function utf8(bytes: string): string {
  if (bytes.length === 1) return "";
  return utf8Decoder.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

/** Cuts where some programs stop: C at NUL, others at a line's end, or at an escaped `?` or `#`. */
function cut(path: string): string {
  const ends = ["\0", "\n", "\r", "?", "#"].map((mark) => path.indexOf(mark)).filter((at) => at >= 0);
  return ends.length === 0 ? path : path.slice(0, Math.min(...ends));
}

/** Drops the characters that URL parsers drop anywhere. */
function joined(path: string): string {
  return path.replace(/[\t\n\r]/g, "");
}

/** Reads `//name/admin` as URL parsers do: a host, and its path. */
function hostless(path: string): string {
  return path.replace(/^[/\\]{2,}[^/\\]*/, "");
}

function slashed(path: string): string {
  return path.replaceAll("\\", "/");
}

/** Drops the parameters of segments: `/admin;v=1/x` is `/admin/x`. */
function unparametered(path: string): string {
  return path.replace(/;[^/]*/g, "");
}

/** Reads segments of dots and white space as Windows does: `.. ` is `..`, and `...` is nothing. */
function undotted(path: string): string {
  return path.replace(/(?<=\/)[.\s\p{Cc}]+(?=\/|$)/gu, (segment) => {
    const dots = segment.replace(/[^.]/g, "");
    return dots.length > 2 ? "" : dots;
  });
}

function merged(path: string): string {
  return path.replace(/\/{2,}/g, "/");
}

/** Resolves dot segments (RFC 3986 section 5.2.4); the root has no parent. */
function resolved(path: string): string {
  if (!/\/\.{1,2}(?:\/|$)/.test(path)) return path;
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "..") kept.pop();
    if (segment !== "." && segment !== "..") kept.push(segment);
    else if (isLast) kept.push("");
  }
  return `/${kept.join("/")}`;
}

function whollyDecoded(path: string): string {
  let before = path;
  // `%25252541`: nested escapes are one step, or a long path would take as many steps as it has characters.
  for (let after = path; ; before = after) {
    after = decoded(before.replace(/%(?:25)+(?=[0-9a-f]{2})/gi, "%"));
    if (after === before) return after;
  }
}

/** Normalizes a path: decodes it to the end, and resolves backslashes, parameters, doubled slashes and dot segments. */
export function normalized(path: string): string {
  if (!SUSPICIOUS.test(path)) return path;
  return resolved(merged(unparametered(slashed(whollyDecoded(path)))));
}

const DECODERS: readonly Step[] = [decoded, decodedWithin];
const STEPS: readonly Step[] = [unified, cut, joined, hostless, slashed, unparametered, undotted, merged, resolved];

/** Characters with which some server may read another path than is written. */
const SUSPICIOUS = /[%\\;?#\s\p{Cc}]|\P{ASCII}|\/\/|\/\.+(?:\/|$)/u;

/**
 * Yields every reading of a path by some server or chain of servers, the path itself first. It begins with a slash and has no
 * query. Yields undefined last if there are more than are checked. Case is left to `isReadUnder`.
 */
export function* readings(path: string): Generator<string | undefined> {
  yield path;
  if (!SUSPICIOUS.test(path)) return;
  /** How often each was decoded. */
  const seen = new Map([[path, 0]]);
  let characters = path.length;
  const mostCharacters = Math.max(MAX_CHARACTERS, 2 * path.length);
  // The loop visits entries that are added during it, too.
  for (const [reading, decodings] of seen) {
    const decoders = decodings < MAX_DECODINGS ? DECODERS : [whollyDecoded];
    for (const step of [...decoders, ...STEPS]) {
      const next = rooted(step(reading));
      if (seen.has(next)) continue;
      characters += next.length;
      if (seen.size >= MAX_READINGS || characters > mostCharacters) return yield undefined;
      seen.set(next, decoders.includes(step) ? decodings + 1 : decodings);
      yield next;
    }
  }
}

function rooted(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/**
 * Whether a server that ignores case and the end of names would find a reading under a prefix. A short name of DOS (`/admini~1`)
 * may be any name that begins like it.
 */
export function isReadUnder(prefix: string, reading: string): boolean {
  if (prefix === "") return true;
  const wanted = prefix.split("/");
  const segments = reading.split("/", wanted.length);
  return (
    segments.length === wanted.length &&
    wanted.every((name, index) => index === 0 || isSameName(name, segments[index] ?? ""))
  );
}

function isSameName(name: string, segment: string): boolean {
  const wanted = plain(name);
  const read = plain(segment);
  if (read === wanted) return true;
  const [, short, nth = ""] = /^([^~]{1,6})~(\d{1,6})(?:\.[^.]*)?$/.exec(read) ?? [];
  if (short === undefined) return false;
  const letters = wanted.replaceAll(".", "");
  return letters === short || (letters.startsWith(short) && short.length + nth.length === 7) || isHash(short, letters);
}

/** From the fifth similar name on, DOS makes a short name of two letters and four digits of a hash. */
function isHash(short: string, letters: string): boolean {
  return /^.{1,2}[0-9a-f]{4}$/.test(short) && letters.startsWith(short.slice(0, -4));
}

/** Removes what Windows ignores in a name: case, an NTFS stream (`admin::$DATA`), white space around it and dots at its end. */
function plain(name: string): string {
  const bare = name.replace(/:(?:[^:]*:)?\$.*$/s, "");
  let from = 0;
  let to = bare.length;
  // A loop, because a regular expression anchored at the end takes time quadratic in the length.
  while (from < to && isBlank(bare.charCodeAt(from))) from += 1;
  while (to > from && (bare[to - 1] === "." || isBlank(bare.charCodeAt(to - 1)))) to -= 1;
  return bare.slice(from, to).toUpperCase().toLowerCase();
}

/** White space and control characters, those of Latin-1 too; `unified` has made others into these. */
function isBlank(code: number): boolean {
  return code <= 0x20 || (code >= 0x7f && code <= 0xa0);
}
