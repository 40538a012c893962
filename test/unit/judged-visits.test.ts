import { expect, test } from "vitest";
import { parseMapping } from "../../shared/mapping.ts";
import { good } from "./parsed.ts";

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

const { Doorman } = await load<{
  Doorman: new (host: object) => { admit: (mapping: object, visit: Visit) => unknown };
}>("doorman.ts");
const { encodeVisit, decodeVisit } = await load<{
  encodeVisit: (visit: Visit) => string;
  decodeVisit: (name: string) => Visit | null;
}>("visit.ts");
const { encodeHttpVisit, decodeHttpVisit } = await load<{
  encodeHttpVisit: (visit: HttpVisit) => string;
  decodeHttpVisit: (url: string) => HttpVisit | undefined;
}>("http-visit.ts");

test.each([
  [5, "no-agent"],
  [4, "denied"],
])("a token that was judged for mapping %i is answered %s where mapping 5 is now", (judged, code) => {
  const host = {
    rules: { isRevoked: () => false, current: { grants: [] } },
    spending: { isOver: () => false },
    rates: { take: () => null },
    lanes: { agents: [] },
  };
  const stamp = { at: 0, by: "ann" };
  const draft = good(parseMapping({ endpoint: "23102/tcp", site: "lab", target: "10.0.0.5:80", access: "token" }));
  const mapping = { ...draft, id: 5, created: stamp, changed: stamp, revision: 1 };
  const visit = { endpoint: "23102/tcp", visitor: "192.0.2.1:7", token: "jti-0001", caps: {}, judged };
  expect(new Doorman(host).admit(mapping, visit)).toMatchObject({ ok: false, failure: { code } });
});

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
