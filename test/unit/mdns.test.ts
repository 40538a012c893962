import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeAnswer, encodeQuery } from "../../agent/discover/dns.ts";
import { announcedBy } from "../../agent/discover/mdns.ts";

test("a service with its port and its host's address is announced by what it is, through compressed names", () => {
  // _ssh._tcp.local PTR → nas._ssh._tcp.local SRV → port 2222 at nas.local A 10.0.0.7, names written once.
  const service = [4, ...ascii("_ssh"), 4, ...ascii("_tcp"), 5, ...ascii("local"), 0];
  const instance = [3, ...ascii("NAS"), 0xc0, 12];
  const answer = [...[0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 2], ...service, ...record(12, instance)];
  const at = answer.length - instance.length;
  const host = [3, ...ascii("nas"), 0xc0, 22];
  answer.push(0xc0, at, ...record(33, [0, 0, 0, 0, 8, 174, ...host]));
  const hostAt = answer.length - host.length;
  answer.push(0xc0, hostAt, ...record(1, [10, 0, 0, 7]));
  expect(announcedBy(Uint8Array.from(answer))).toMatchObject([
    {
      address: { text: "10.0.0.7" },
      port: 2222,
      what: "mDNS: NAS",
      service: { name: "ssh", ask: "banner", port: 2222 },
    },
  ]);
  for (let length = 0; length < answer.length; length += 1)
    expect(announcedBy(Uint8Array.from(answer.slice(0, length)))).toEqual([]);
});

test("names that go in circles, or are longer than any, end the answer", () => {
  const head = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
  expect(decodeAnswer(Uint8Array.from([...head, 0xc0, 12, 0, 12, 0, 1]))).toEqual([]);
  const long = Array.from({ length: 10 }, () => [63, ...Array<number>(63).fill(97)]).flat();
  expect(decodeAnswer(Uint8Array.from([...head, ...long, 0, ...record(1, [10, 0, 0, 7])]))).toEqual([]);
  // A question is no answer.
  expect(decodeAnswer(encodeQuery(["_ssh._tcp.local"]))).toEqual([]);
});

test("any bytes are some records, or none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const answer = Uint8Array.from([0, 0, 0x84, 0, 0, 0, 0, 9, 0, 9, 0, 9, ...bytes]);
      expect(decodeAnswer(answer).length).toBeLessThanOrEqual(27);
      announcedBy(answer);
    }),
  );
});

function ascii(text: string): number[] {
  return [...Buffer.from(text, "latin1")];
}

/** Type, class, time to live and data, after a name. */
function record(type: number, data: readonly number[]): number[] {
  return [0, type, 0x80, 1, 0, 0, 0, 120, 0, data.length, ...data];
}
