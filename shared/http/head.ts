import { SessionError } from "../wire/errors.ts";
import { HEADROOM } from "../wire/frame.ts";

import { MAX_HEAD, MAX_HEADERS } from "./limits.ts";
import { RECORD, RECORD_HEADER, writeRecordHeader, type RecordKind } from "./record.ts";

// Heads of requests and responses on the wire (docs/protocol.md section 3.3). All text here is *byte strings*, as in Node: one
// character, 0x00 to 0xff, for each byte.

/** `name, value, name, value, …`; names in lower case. Flat, because pairs would cost one array for each header. */
export type FlatHeaders = readonly string[];

/** The length of the body: none, in `content-length`, or known only at its end. */
export type Framing = "none" | "length" | "open";
const FRAMINGS: readonly Framing[] = ["none", "length", "open"];

export type RequestHead = {
  method: string;
  /** Path and query, as received. */
  path: string;
  /** HOST[:PORT] that the visitor asked for. */
  host: string;
  scheme: "http" | "https";
  headers: FlatHeaders;
  upgrade: boolean;
  framing: Framing;
};

export type ResponseHead = { status: number; reason: string; headers: FlatHeaders };

/** A token of RFC 9110 section 5.6.2; methods are case-sensitive. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^(?:\/|\*$)[\x21-\x7e\x80-\xff]*$/;
const AUTHORITY = /^[0-9a-z._~:[\]-]{1,270}$/;

/**
 * Encodes a request head as a chunk for `stream.write`, with `more` free bytes after it for further records. Throws RangeError
 * beyond MAX_HEAD.
 */
export function encodeRequestHead(head: RequestHead, more = 0): Uint8Array {
  const { method, path, host, scheme, headers, upgrade, framing } = head;
  const text =
    field(1, method) +
    field(2, path) +
    field(3, host) +
    field(4, scheme) +
    headersField(headers) +
    (upgrade ? field(6, "websocket") : "") +
    (framing === "none" ? "" : field(7, String.fromCharCode(FRAMINGS.indexOf(framing))));
  return headChunk(RECORD.REQUEST, text, more);
}

export function encodeResponseHead(head: ResponseHead, more = 0): Uint8Array {
  const { status, reason, headers } = head;
  const text = field(1, String.fromCharCode(status >> 8, status & 0xff)) + field(2, reason) + headersField(headers);
  return headChunk(RECORD.RESPONSE, text, more);
}

export function encodeInterimHead(status: number): Uint8Array {
  return headChunk(RECORD.INTERIM, field(1, String.fromCharCode(status >> 8, status & 0xff)), 0);
}

/** Decodes a request head. Throws SessionError(protocol) on one that can't be written to a target as it is. */
export function decodeRequestHead(payload: Uint8Array): RequestHead {
  const fields = decodeHeadFields(payload);
  const method = fields.get(1) ?? "";
  const path = fields.get(2) ?? "";
  const host = fields.get(3) ?? "";
  const scheme = fields.get(4) ?? "";
  const framing = FRAMINGS[(fields.get(7) ?? "\0").charCodeAt(0)];
  if (!METHOD.test(method)) throw new SessionError("protocol", "a request head without a method");
  if (!PATH.test(path)) throw new SessionError("protocol", "a request head with an invalid path");
  if (!AUTHORITY.test(host)) throw new SessionError("protocol", "a request head with an invalid host");
  if (scheme !== "http" && scheme !== "https")
    throw new SessionError("protocol", "a request head with an unknown scheme");
  if (framing === undefined) throw new SessionError("protocol", "a request head with unknown framing");
  return { method, path, host, scheme, headers: decodeHeaders(fields.get(5)), upgrade: fields.has(6), framing };
}

export function decodeResponseHead(payload: Uint8Array): ResponseHead {
  const fields = decodeHeadFields(payload);
  const code = fields.get(1) ?? "";
  const reason = fields.get(2) ?? "";
  if (code.length !== 2) throw new SessionError("protocol", "a response head without a status");
  if (!VALUE.test(reason)) throw new SessionError("protocol", "a response head with an invalid reason");
  return { status: code.charCodeAt(0) * 256 + code.charCodeAt(1), reason, headers: decodeHeaders(fields.get(5)) };
}

/** The first value of a header, or undefined. */
export function headerOf(headers: FlatHeaders, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1];
  return undefined;
}

/** Bytes of headers on the wire: names, values and four bytes for the lengths of each. */
export function sizeOfHeaders(headers: FlatHeaders): number {
  return headers.reduce((sum, text) => sum + text.length + 2, 0);
}

function field(tag: number, text: string): string {
  return String.fromCharCode(tag) + length16(text) + text;
}

function headersField(headers: FlatHeaders): string {
  let text = "";
  for (const part of headers) text += length16(part) + part;
  return text === "" ? "" : field(5, text);
}

function length16(text: string): string {
  if (text.length > 0xffff) throw new RangeError(`${text.length} bytes in one field of a head`);
  return String.fromCharCode(text.length >> 8, text.length & 0xff);
}

function headChunk(kind: RecordKind, text: string, more: number): Uint8Array {
  if (text.length > MAX_HEAD) throw new RangeError(`a head of ${text.length} bytes`);
  const chunk = new Uint8Array(HEADROOM + RECORD_HEADER + text.length + more);
  writeRecordHeader(chunk, HEADROOM, kind, text.length);
  const start = HEADROOM + RECORD_HEADER;
  for (let at = 0; at < text.length; at += 1) chunk[start + at] = text.charCodeAt(at);
  return chunk;
}

function decodeHeadFields(payload: Uint8Array): Map<number, string> {
  const text = byteString(payload);
  const fields = new Map<number, string>();
  let at = 0;
  while (at < text.length) {
    const tag = text.charCodeAt(at);
    const [value, next] = take(text, at + 1);
    if (fields.has(tag)) throw new SessionError("protocol", `field ${tag} of a head is there twice`);
    fields.set(tag, value);
    at = next;
  }
  return fields;
}

function decodeHeaders(text = ""): string[] {
  const headers: string[] = [];
  let at = 0;
  while (at < text.length) {
    const [name, middle] = take(text, at);
    const [value, next] = take(text, middle);
    if (!NAME.test(name)) throw new SessionError("protocol", "an invalid header name");
    if (!VALUE.test(value)) throw new SessionError("protocol", "a header value with control characters");
    headers.push(name, value);
    at = next;
  }
  if (headers.length > 2 * MAX_HEADERS) throw new SessionError("protocol", `more than ${MAX_HEADERS} headers`);
  return headers;
}

/** Reads a text behind its length of two bytes. Returns it, and where the next one starts. */
function take(text: string, at: number): [string, number] {
  const end = at + 2 + text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
  // `end` is NaN when the length itself is cut short; then no comparison holds.
  if (!(end <= text.length)) throw new SessionError("protocol", "a head is cut short");
  return [text.slice(at + 2, end), end];
}

const PART = 8192;

/** Turns bytes into a byte string. */
export function byteString(bytes: Uint8Array): string {
  if (bytes.byteLength <= PART) return characters(bytes);
  let text = "";
  for (let at = 0; at < bytes.byteLength; at += PART) text += characters(bytes.subarray(at, at + PART));
  return text;
}

/** With spread arguments instead of `apply`, a head takes six times as long: spreading iterates over the bytes. */
function characters(bytes: Uint8Array): string {
  // oxlint-disable-next-line prefer-spread -- see above
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Turns header text of a platform that decodes it as UTF-8 back into a byte string. */
export function utf8Bytes(text: string): string {
  return isAscii(text) ? text : byteString(encoder.encode(text));
}

/** Turns a byte string into header text for such a platform. */
export function utf8Text(bytes: string): string {
  return isAscii(bytes) ? bytes : decoder.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- NUL is ASCII too
  return /^[\x00-\x7f]*$/.test(text);
}
