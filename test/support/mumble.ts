/** A Mumble client as far as a conference needs it: control over TLS, voice in UDP, encrypted as the server asks (OCB2-AES128). */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";

const MESSAGE = { version: 0, authenticate: 2, serverSync: 5, cryptSetup: 15 } as const;
const BLOCK = 16;
/** Tag of 3 bytes and one byte of the nonce go before each datagram. */
const OVERHEAD = 4;
/** Opus, to the channel one is in. */
const OPUS = 4 << 5;

export class MumbleClient implements AsyncDisposable {
  readonly #tls: TLSSocket;
  readonly #udp: UdpSocket = createSocket("udp4");
  readonly #at: { host: string; port: number };
  readonly #heard: Buffer[] = [];
  #changed = Promise.withResolvers<void>();
  #session = 0;
  #key = Buffer.alloc(BLOCK);
  #ours = Buffer.alloc(BLOCK);
  #theirs = Buffer.alloc(BLOCK);
  #sequence = 0;

  private constructor(tls: TLSSocket, at: { host: string; port: number }) {
    this.#tls = tls;
    this.#at = at;
  }

  /** Enters the server's first channel under a name. */
  static async join(at: { host: string; port: number }, name: string): Promise<MumbleClient> {
    // The server makes its own certificate.
    const tls = connect({ ...at, rejectUnauthorized: false });
    await once(tls, "secureConnect");
    const client = new MumbleClient(tls, at);
    const joined = client.#listen();
    client.#say(MESSAGE.version, fields({ 1: 0x01_03_04 }));
    client.#say(MESSAGE.authenticate, fields({ 1: name, 5: 1 }));
    await joined;
    client.#udp.on("message", (datagram) => {
      const plain = client.#open(datagram);
      if (plain === undefined) return;
      client.#heard.push(plain);
      client.#changed.resolve();
      client.#changed = Promise.withResolvers();
    });
    return client;
  }

  get session(): number {
    return this.#session;
  }

  /** Until the server has answered a ping in UDP it sends voice through TLS. */
  async proveUdp(): Promise<void> {
    const ping = Buffer.from([0x20, 7]);
    const again = setInterval(() => this.#send(ping), 200);
    await this.#until((plain) => plain.equals(ping));
    clearInterval(again);
  }

  /** One Opus frame, to all in the channel. */
  speak(frame: Buffer): void {
    this.#sequence += 1;
    this.#send(Buffer.concat([Buffer.from([OPUS]), varint(this.#sequence), varint(frame.byteLength), frame]));
  }

  /** Voice that came so far in UDP: who spoke, and the frame. */
  get voices(): { session: number; frame: Buffer }[] {
    return this.#heard.filter((plain) => (plain[0] ?? 0) >> 5 === 4).map(voiceOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tls.destroy();
    await once(this.#tls, "close");
  }

  async #until(wanted: (plain: Buffer) => boolean): Promise<void> {
    while (!this.#heard.some(wanted)) await this.#changed.promise;
  }

  /** Reads control messages; resolves once we are in. */
  #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let waiting = Buffer.alloc(0);
    this.#tls.on("error", reject).on("close", () => reject(new Error("the server hung up")));
    this.#tls.on("data", (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.byteLength >= 6 && waiting.byteLength >= 6 + waiting.readUInt32BE(2)) {
        const [type, length] = [waiting.readUInt16BE(0), waiting.readUInt32BE(2)];
        const body = parse(waiting.subarray(6, 6 + length));
        waiting = waiting.subarray(6 + length);
        if (type === MESSAGE.cryptSetup) {
          [this.#key, this.#ours, this.#theirs] = [1, 2, 3].map((field) => Buffer.from(body.get(field) as Buffer)) as [
            Buffer<ArrayBuffer>,
            Buffer<ArrayBuffer>,
            Buffer<ArrayBuffer>,
          ];
        }
        if (type !== MESSAGE.serverSync) continue;
        this.#session = Number(body.get(1));
        resolve();
      }
    });
    return promise;
  }

  #say(type: number, body: Buffer): void {
    const head = Buffer.alloc(6);
    head.writeUInt16BE(type, 0);
    head.writeUInt32BE(body.byteLength, 2);
    this.#tls.write(Buffer.concat([head, body]));
  }

  #send(plain: Buffer): void {
    increment(this.#ours);
    const { text, tag } = ocb2(this.#key, this.#ours, plain, true);
    const head = Buffer.concat([this.#ours.subarray(0, 1), tag.subarray(0, OVERHEAD - 1)]);
    this.#udp.send(Buffer.concat([head, text]), this.#at.port, this.#at.host);
  }

  /** Undefined for a datagram that is not the server's. Its nonce is the last one's, with the low byte told. */
  #open(datagram: Buffer): Buffer | undefined {
    if (datagram.byteLength < OVERHEAD) return undefined;
    const nonce = Buffer.from(this.#theirs);
    increment(nonce);
    for (let step = 0; step < 255 && nonce[0] !== datagram[0]; step += 1) increment(nonce);
    const { text, tag } = ocb2(this.#key, nonce, datagram.subarray(OVERHEAD), false);
    if (!tag.subarray(0, OVERHEAD - 1).equals(datagram.subarray(1, OVERHEAD))) return undefined;
    this.#theirs = nonce;
    return text;
  }
}

/** Rogaway's OCB 2.0 with AES-128 and no associated data, as Mumble has it. */
function ocb2(key: Buffer, nonce: Buffer, input: Buffer, encrypts: boolean): { text: Buffer; tag: Buffer } {
  const seal = (block: Buffer): Buffer => createCipheriv("aes-128-ecb", key, null).setAutoPadding(false).update(block);
  const unseal = (block: Buffer): Buffer =>
    createDecipheriv("aes-128-ecb", key, null).setAutoPadding(false).update(block);
  let delta = seal(nonce);
  let checksum = Buffer.alloc(BLOCK);
  const out: Buffer[] = [];
  let at = 0;
  for (; input.byteLength - at > BLOCK; at += BLOCK) {
    delta = twice(delta);
    const block = input.subarray(at, at + BLOCK);
    const done = xor(delta, encrypts ? seal(xor(delta, block)) : unseal(xor(delta, block)));
    out.push(done);
    checksum = xor(checksum, encrypts ? block : done);
  }
  const rest = input.subarray(at);
  delta = twice(delta);
  const length = Buffer.alloc(BLOCK);
  length.writeUInt32BE(rest.byteLength * 8, BLOCK - 4);
  const pad = seal(xor(length, delta));
  const last = xor(pad.subarray(0, rest.byteLength), rest);
  out.push(last);
  const plain = encrypts ? rest : last;
  checksum = xor(checksum, Buffer.concat([plain, pad.subarray(rest.byteLength)]));
  return { text: Buffer.concat(out), tag: seal(xor(xor(twice(delta), delta), checksum)) };
}

function xor(a: Buffer, b: Buffer): Buffer<ArrayBuffer> {
  const out = Buffer.alloc(a.byteLength);
  for (let at = 0; at < out.byteLength; at += 1) out[at] = (a[at] ?? 0) ^ (b[at] ?? 0);
  return out;
}

/** Times x in GF(2^128). */
function twice(block: Buffer): Buffer<ArrayBuffer> {
  const out = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 1) out[at] = ((block[at] ?? 0) << 1) | ((block[at + 1] ?? 0) >> 7);
  if ((block[0] ?? 0) >> 7 === 1) out[BLOCK - 1] = (out[BLOCK - 1] ?? 0) ^ 0x87;
  return out;
}

/** The lowest byte is the first. */
function increment(nonce: Buffer): void {
  for (let at = 0; at < nonce.byteLength; at += 1) {
    nonce[at] = ((nonce[at] ?? 0) + 1) & 0xff;
    if (nonce[at] !== 0) return;
  }
}

/** Mumble's own: one byte below 128, two below 16384. */
function varint(value: number): Buffer {
  return value < 0x80 ? Buffer.from([value]) : Buffer.from([0x80 | (value >> 8), value & 0xff]);
}

function voiceOf(plain: Buffer): { session: number; frame: Buffer } {
  let at = 1;
  const next = (): number => {
    const first = plain[at] ?? 0;
    at += first < 0x80 ? 1 : 2;
    return first < 0x80 ? first : ((first & 0x3f) << 8) | (plain[at - 1] ?? 0);
  };
  const session = next();
  next();
  const length = next() & 0x1fff;
  return { session, frame: plain.subarray(at, at + length) };
}

/** A message of Protocol Buffers: numbers and texts. */
function fields(values: Readonly<Record<number, number | string>>): Buffer {
  return Buffer.concat(
    Object.entries(values).map(([field, value]) => {
      if (typeof value === "number") return Buffer.concat([leb(Number(field) << 3), leb(value)]);
      const bytes = Buffer.from(value);
      return Buffer.concat([leb((Number(field) << 3) | 2), leb(bytes.byteLength), bytes]);
    }),
  );
}

function leb(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

function parse(message: Buffer): Map<number, number | Buffer> {
  const found = new Map<number, number | Buffer>();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.byteLength) {
    const tag = next();
    if ((tag & 7) === 0) found.set(tag >> 3, next());
    else if ((tag & 7) === 2) {
      const length = next();
      found.set(tag >> 3, message.subarray(at, (at += length)));
    } else return found;
  }
  return found;
}
