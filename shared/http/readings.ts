// A path has one spelling on the wire and many readings: proxies decode, servers decode again, Windows forgets case and what
// stands at the end of a name, Tomcat cuts at `;`, IIS knows letters by more names than one. What a prefix keeps closed must
// stay closed in every one of them.

/** Readings that are looked at: an honest path has a handful. */
const MAX_READINGS = 96;
/** Characters of all readings together, or as many as two of them have: what a hostile path may cost. */
const MAX_CHARACTERS = 48 * 1024;
/** A proxy, a server, an application, and as many again. After them a path is decoded until nothing is left to decode. */
const MAX_DECODINGS = 8;

/** One thing that some server does to a path; it answers the same text where there is nothing for it to do. */
type Step = (path: string) => string;

/** Text with `%41`, and `%u0041` as IIS has it, decoded once. Malformed escapes stay. */
function decoded(path: string): string {
  if (!path.includes("%")) return path;
  return path.replace(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, (_, wide: string | undefined, byte: string) =>
    String.fromCharCode(Number.parseInt(wide ?? byte, 16)),
  );
}

/** As decoders of single segments have it, and URL parsers that know `%2e`: what is escaped is no end of a segment. */
function decodedWithin(path: string): string {
  if (!path.includes("%")) return path;
  return path.replace(/%(?!2f|5c)([0-9a-f]{2})/gi, (_, byte: string) => String.fromCharCode(Number.parseInt(byte, 16)));
}

/** Characters that stand for others: overlong UTF-8, full-width letters, and what case-blind file systems don't see at all. */
function unified(path: string): string {
  if (!/\P{ASCII}/u.test(path)) return path;
  const narrow = path
    .replace(/(?:[\u00c0\u00c1]|\u00e0[\u0080\u0081]|\u00f0\u0080[\u0080\u0081])[^]/g, lowBits)
    // What is no UTF-8 at all is dropped, as some decoders do.
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

/** What C programs see, and those that take an escaped `?` or `#` for the real one, or a line for the whole. */
function cut(path: string): string {
  const ends = ["\0", "\n", "\r", "?", "#"].map((mark) => path.indexOf(mark)).filter((at) => at >= 0);
  return ends.length === 0 ? path : path.slice(0, Math.min(...ends));
}

/** As URL parsers have it, which drop these wherever they are. */
function joined(path: string): string {
  return path.replace(/[\t\n\r]/g, "");
}

/** As URL parsers have it that are given `//name/admin`: a host, and its path. */
function hostless(path: string): string {
  return path.replace(/^[/\\]{2,}[^/\\]*/, "");
}

function slashed(path: string): string {
  return path.replaceAll("\\", "/");
}

/** Without the parameters of segments: `/admin;v=1/x` is `/admin/x`. */
function unparametered(path: string): string {
  return path.replace(/;[^/]*/g, "");
}

/** Segments of dots and white space alone, as Windows has them: `.. ` is `..`, and `...` is nothing. */
function undotted(path: string): string {
  return path.replace(/(?<=\/)[.\s\p{Cc}]+(?=\/|$)/gu, (segment) => {
    const dots = segment.replace(/[^.]/g, "");
    return dots.length > 2 ? "" : dots;
  });
}

function merged(path: string): string {
  return path.replace(/\/{2,}/g, "/");
}

/** Dot segments resolved (RFC 3986 section 5.2.4); there is nothing above the root. */
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
  // `%25252541`: all that is escaped again and again is one step, or a long path would take as many as it has characters.
  for (let after = path; ; before = after) {
    after = decoded(before.replace(/%(?:25)+(?=[0-9a-f]{2})/gi, "%"));
    if (after === before) return after;
  }
}

/** The one reading that undoes all that is usual: escapes, backslashes, parameters, doubled slashes and dot segments. */
export function normalized(path: string): string {
  if (!SUSPICIOUS.test(path)) return path;
  return resolved(merged(unparametered(slashed(whollyDecoded(path)))));
}

const DECODERS: readonly Step[] = [decoded, decodedWithin];
const STEPS: readonly Step[] = [unified, cut, joined, hostless, slashed, unparametered, undotted, merged, resolved];

/** Where one of these stands, some server may read something else than what is written. */
const SUSPICIOUS = /[%\\;?#\s\p{Cc}]|\P{ASCII}|\/\/|\/\.+(?:\/|$)/u;

/**
 * Every path that some server, or some chain of them, may read a path as, itself first; it begins with a slash and has no
 * query. Undefined comes last if there are more than can be looked at. What differs in letters alone is left to `isReadUnder`.
 */
export function* readings(path: string): Generator<string | undefined> {
  yield path;
  if (!SUSPICIOUS.test(path)) return;
  /** How often each was decoded. */
  const seen = new Map([[path, 0]]);
  let characters = path.length;
  const mostCharacters = Math.max(MAX_CHARACTERS, 2 * path.length);
  // Entries that are added meanwhile come up as well.
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
 * Whether a server that forgets case, and what stands at the end of a name, would find a reading under a prefix. A short
 * name of DOS (`/admini~1`) may be any name that begins like it.
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

/** From the fifth name alike on, a short name is two letters and four digits of a hash. */
function isHash(short: string, letters: string): boolean {
  return /^.{1,2}[0-9a-f]{4}$/.test(short) && letters.startsWith(short.slice(0, -4));
}

/** A name without case, without a stream of NTFS (`admin::$DATA`), without white space around it and dots behind it. */
function plain(name: string): string {
  const bare = name.replace(/:(?:[^:]*:)?\$.*$/s, "");
  let from = 0;
  let to = bare.length;
  // A pattern for the end of a text takes the square of its length.
  while (from < to && isBlank(bare.charCodeAt(from))) from += 1;
  while (to > from && (bare[to - 1] === "." || isBlank(bare.charCodeAt(to - 1)))) to -= 1;
  return bare.slice(from, to).toUpperCase().toLowerCase();
}

/** White space and control characters, those of Latin-1 too; `unified` has made others into these. */
function isBlank(code: number): boolean {
  return code <= 0x20 || (code >= 0x7f && code <= 0xa0);
}
