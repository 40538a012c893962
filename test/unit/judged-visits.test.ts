import { expect, test } from "vitest";

// The Worker judges a visitor's token by a copy of the rules that may be a second old, and says for which mapping: the relay knows better.

type Visit = { endpoint: string; visitor: string; token?: string; caps?: object; judged?: number };
type HttpVisit = Visit &
  Record<"scheme" | "host" | "path", string> & { port: number; via: string[] } & {
    until: number | null;
    key: string;
  };

/** Parts of the edge, whose types are of another world than these. */
const load = async <T>(file: string): Promise<T> =>
  (await import(/* @vite-ignore */ new URL(`../../edge/relay/${file}`, import.meta.url).href)) as T;

const { encodeVisit, decodeVisit } = await load<{
  encodeVisit: (visit: Visit) => string;
  decodeVisit: (name: string) => Visit | null;
}>("doors/tcp-visit.ts");
const { encodeHttpVisit, decodeHttpVisit } = await load<{
  encodeHttpVisit: (visit: HttpVisit) => string;
  decodeHttpVisit: (url: string) => HttpVisit | undefined;
}>("doors/http-visit.ts");

test("what a visit was judged for reaches the relay, and visits of an earlier Worker are still read", () => {
  const visit = {
    endpoint: "lab/ssh",
    visitor: "[2001:db8::1]:7",
    token: "jti-0001",
    caps: { streams: 2 },
    judged: 12,
  };
  expect(decodeVisit(encodeVisit(visit))).toEqual(visit);
  const former = encodeVisit({ ...visit, judged: 0 });
  expect(former).toMatch(/\.v3:1$/);
  expect(decodeVisit(former)).toEqual({ ...visit, judged: 0 });
  const { caps: _caps, token: _token, judged: _judged, ...stranger } = visit;
  expect(decodeVisit(encodeVisit(stranger))).toEqual(stranger);
  expect(decodeVisit("a.b.c.1.2.x.v4:1")).toBeNull();
  const request = { scheme: "https", host: "shop.example", port: 443, path: "/a?b&c", via: [], until: 5, key: "k" };
  const http = { ...visit, ...request };
  expect(decodeHttpVisit(encodeHttpVisit(http))).toEqual(http);
  const url = encodeHttpVisit({ ...http, judged: 0 });
  expect(decodeHttpVisit(url.slice(0, url.lastIndexOf("&")))).toEqual({ ...http, judged: 0 });
});
