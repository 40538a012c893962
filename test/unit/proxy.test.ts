import { expect, test } from "vitest";
import { always, fromEnvironment, hasCredentials, parseProxy, urlOf } from "../../link/dial/proxy.ts";
import { Problem } from "../../link/problem.ts";

const EDGE = new URL("wss://edge.example.com");

test.each([
  ["http://proxy.corp:3128", { host: "proxy.corp", port: 3128, isTls: false, authorization: null }],
  ["http://proxy.corp", { host: "proxy.corp", port: 80, isTls: false }],
  ["https://proxy.corp", { host: "proxy.corp", port: 443, isTls: true }],
  ["https://proxy.corp:8443/", { host: "proxy.corp", port: 8443, isTls: true }],
  ["proxy.corp:3128", { host: "proxy.corp", port: 3128, isTls: false }],
  ["HTTP://PROXY.corp:3128", { host: "proxy.corp", port: 3128, isTls: false }],
  ["10.0.0.1:3128", { host: "10.0.0.1", port: 3128 }],
  ["http://[fd00::1]:3128", { host: "fd00::1", port: 3128 }],
  ["[fd00::1]:3128", { host: "fd00::1", port: 3128 }],
])("%s is a proxy", (text, proxy) => {
  expect(parseProxy(text, "--proxy")).toMatchObject(proxy);
});

test.each([
  ["http://ann:secret@proxy:3128", "ann:secret"],
  ["ann:secret@proxy:3128", "ann:secret"],
  ["http://ann@proxy:3128", "ann:"],
  ["http://:secret@proxy:3128", ":secret"],
  ["http://corp%5Cann:p%40ss%3Aw%25rd%2F@proxy:3128", "corp\\ann:p@ss:w%rd/"],
  ["http://ann:p@ss@proxy:3128", "ann:p@ss"],
  ["http://j%C3%BCrg:stra%C3%9Fe@proxy:3128", "jürg:straße"],
])("the user and password of %s are percent-decoded, and written back as they were", (text, login) => {
  const proxy = parseProxy(text, "--proxy");
  expect(Buffer.from(proxy.authorization?.replace(/^Basic /, "") ?? "", "base64").toString()).toBe(login);
  expect(parseProxy(urlOf(proxy), "a file")).toMatchObject({ authorization: proxy.authorization, port: 3128 });
});

test("a proxy without a user is written back as it was", () => {
  expect(urlOf(parseProxy("https://[fd00::1]", "--proxy"))).toBe("https://[fd00::1]:443");
});

test.each([
  ["", /not a URL/],
  ["http://", /not a URL/],
  ["http://secret:se cret@pro xy:1", /not a URL/],
  ["http://secret:sec/ret@proxy:3128", /not a URL/],
  ["http://secret:12#secret@proxy:3128", /not a URL/],
  ["http://secret:12?secret@proxy:3128", /not a URL/],
  ["http://secret:1234567@proxy:99999", /not a URL/],
  ["fd00::1:3128", /not a URL/],
  ["socks5://secret:secret@proxy:1080", /socks5 proxy/],
  ["ftp://proxy", /ftp proxy/],
  ["http://secret:100%@proxy:3128", /percent-encoding/],
  ["http://secret:%C3%28secret@proxy:3128", /percent-encoding/],
  ["http://sec%3Aret:secret@proxy:3128", /colon/],
])("%s is refused, and nothing of it is quoted", (text, cause) => {
  const problem = refusalOf(() => parseProxy(text, "HTTPS_PROXY"));
  expect(problem).toMatchObject({ code: "proxy-invalid", exit: 3, message: expect.stringMatching(cause) });
  expect(problem.message).toMatch(/^HTTPS_PROXY names no proxy/);
  expect(problem.message + problem.fix).not.toMatch(/secret|sec|12/);
});

test("messages call a proxy by its address and where it was named, without user and password", () => {
  expect(parseProxy("http://ann:secret@proxy:3128", "HTTPS_PROXY").name).toBe(
    "the proxy http://proxy:3128 (HTTPS_PROXY)",
  );
});

const A = "http://a:1";
const B = "http://b:2";

test.each<[edge: string, env: NodeJS.ProcessEnv, host: string | null]>([
  ["wss://edge.example.com", {}, null],
  ["wss://edge.example.com", { HTTPS_PROXY: A }, "a"],
  ["https://edge.example.com", { https_proxy: A }, "a"],
  ["wss://edge.example.com", { https_proxy: A, HTTPS_PROXY: B }, "a"],
  ["wss://edge.example.com", { HTTPS_PROXY: A, all_proxy: B }, "a"],
  ["wss://edge.example.com", { ALL_PROXY: A }, "a"],
  ["wss://edge.example.com", { all_proxy: A, ALL_PROXY: B }, "a"],
  ["wss://edge.example.com", { HTTP_PROXY: A, http_proxy: A }, null],
  ["ws://edge.example.com", { HTTP_PROXY: A }, "a"],
  ["http://edge.example.com", { http_proxy: A, HTTPS_PROXY: B }, "a"],
  ["ws://edge.example.com", { HTTPS_PROXY: A }, null],
  ["ws://edge.example.com", { ALL_PROXY: A }, "a"],
  // An empty variable is none.
  ["wss://edge.example.com", { HTTPS_PROXY: "", ALL_PROXY: B }, "b"],
  ["wss://edge.example.com", { HTTPS_PROXY: "  " }, null],
  ["wss://edge.example.com", { HTTPS_PROXY: ` ${A} ` }, "a"],
  // Of another scheme's nothing is read, not even whether it makes sense.
  ["wss://edge.example.com", { HTTP_PROXY: "socks5://x", HTTPS_PROXY: A }, "a"],
  // NO_PROXY.
  ["wss://edge.example.com", { HTTPS_PROXY: A, NO_PROXY: "example.com" }, null],
  ["wss://edge.example.com", { HTTPS_PROXY: A, no_proxy: ".example.com:443" }, null],
  ["wss://edge.example.com:8443", { HTTPS_PROXY: A, no_proxy: ".example.com:443" }, "a"],
  ["ws://edge.example.com", { HTTP_PROXY: A, no_proxy: "edge.example.com:80" }, null],
  ["wss://edge.example.com", { HTTPS_PROXY: A, NO_PROXY: "*" }, null],
  ["wss://10.1.2.3", { HTTPS_PROXY: A, NO_PROXY: "10.0.0.0/8" }, null],
  ["wss://[fd00::5]", { HTTPS_PROXY: A, NO_PROXY: "fd00::/8" }, null],
  ["wss://[fd00::5]", { HTTPS_PROXY: A }, "a"],
  // This machine.
  ["ws://localhost:8787", { HTTP_PROXY: A }, null],
  ["wss://edge.localhost", { HTTPS_PROXY: A }, null],
  ["ws://127.3.2.1:8787", { HTTP_PROXY: A }, null],
  ["ws://[::1]:8787", { ALL_PROXY: A }, null],
])("%s with %j goes by %s", (edge, env, host) => {
  expect(fromEnvironment(env)(new URL(edge))?.host ?? null).toBe(host);
});

test("a variable that can't be read is a clear error where it would be used, and says which it is", () => {
  const choice = fromEnvironment({ ALL_PROXY: "socks5h://127.0.0.1:1080" });
  expect(refusalOf(() => choice(EDGE))).toMatchObject({
    code: "proxy-invalid",
    message: expect.stringContaining("ALL_PROXY names no proxy that can be used: it is a socks5h proxy"),
    fix: expect.stringContaining("--proxy none"),
  });
  expect(choice(new URL("ws://127.0.0.1:8787"))).toBeNull();
});

test("--proxy leads to every edge but one on this machine", () => {
  const choice = always(parseProxy(A, "--proxy"));
  expect(choice(EDGE)?.host).toBe("a");
  expect(choice(new URL("ws://127.0.0.1:8787"))).toBeNull();
});

test.each([
  ["http://ann:secret@proxy", true],
  ["ann@proxy", true],
  ["http://proxy:3128", false],
  ["proxy:3128/@", false],
  ["none", false],
])("%s has credentials: %s", (text, has) => {
  expect(hasCredentials(text)).toBe(has);
});

function refusalOf(parse: () => unknown): Problem {
  try {
    parse();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("it was taken");
}
