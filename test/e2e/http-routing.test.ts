import { expect, test } from "vitest";
import { askHttp, httpOrigin, type Asking } from "../support/http.ts";
import { testSite, type TestSite } from "../support/site.ts";

/** An origin that answers with what it is called and what it was asked. */
async function named(name: string) {
  return await httpOrigin((request, response) => {
    response.end(`${name} ${request.headers.host} ${request.url}`);
  });
}

async function ask(site: TestSite, host: string, path: string, how: Asking = {}): Promise<string> {
  const { status, body } = await askHttp(site.edge.url, host, { path, ...how });
  return status === 200 ? (body.toString().split(" ")[0] ?? "") : String(status);
}

/** Host and path, and which of the endpoints below serves it. */
const ROUTES: [string, string, string][] = [
  ["a.shop.localhost", "/", "wild"],
  ["b.shop.localhost", "/x", "wild"],
  ["www.shop.localhost", "/", "exact"],
  ["WWW.Shop.LOCALHOST", "/", "exact"],
  // An exact host comes before a wildcard, whatever their prefixes.
  ["www.shop.localhost", "/api/v2/x", "exact"],
  ["a.shop.localhost", "/api", "api"],
  ["a.shop.localhost", "/api/", "api"],
  ["a.shop.localhost", "/api/v1", "api"],
  ["a.shop.localhost", "/api/v2", "api-v2"],
  ["a.shop.localhost", "/api/v2/x?y", "api-v2"],
  ["a.shop.localhost", "/api/v22", "api"],
  ["a.shop.localhost", "/apiary", "wild"],
  ["a.shop.localhost", "/API", "wild"],
  // One label, and never the name itself.
  ["a.b.shop.localhost", "/", "404"],
  ["shop.localhost", "/", "404"],
  ["ashop.localhost", "/", "404"],
];

test("an exact host comes before a wildcard, and a longer prefix before a shorter", async () => {
  await using site = await testSite();
  await using stack = new AsyncDisposableStack();
  for (const [name, endpoint] of [
    ["wild", "http://*.shop.localhost"],
    ["api", "http://*.shop.localhost/api"],
    ["api-v2", "http://*.shop.localhost/api/v2"],
    ["exact", "http://www.shop.localhost"],
  ] as const)
    await site.map(endpoint, stack.use(await named(name)).url);
  for (const [host, path, name] of ROUTES)
    expect({ host, path, name: await ask(site, host, path) }).toEqual({ host, path, name });
});

test("a mapping counts as soon as it is made, for all who come at that moment, and no longer than it is there", async () => {
  await using site = await testSite();
  await using origin = await named("new");
  for (const host of ["one.localhost", "two.localhost", "three.localhost"]) {
    // Asked for before there is one: that must not be remembered.
    expect(await ask(site, host, "/")).toBe("404");
    await site.map(`http://${host}`, origin.url);
    expect(await Promise.all(Array.from({ length: 10 }, () => ask(site, host, "/")))).toEqual(Array(10).fill("new"));
    await site.edge.ok("map", "rm", `http://${host}`);
    expect(await Promise.all(Array.from({ length: 10 }, () => ask(site, host, "/")))).toEqual(Array(10).fill("404"));
  }
});

/** Spellings of /admin that a forgiving server takes for it. */
const DISGUISED = [
  ...["/Admin", "/admin.", "/admin%20", "/admin%09", "/%25252561dmin", "/%u0061dmin", "/%c1%a1dmin", "/admin%00.png"],
  ...["//admin", "/;x/admin", "/x/..%2fadmin", "/x/..\\admin", "/admin;x", "/%EF%BD%81dmin", "/a%2fb/%2e%2e/admin"],
];

test("a prefix with rules of its own is closed in every spelling; elsewhere bytes pass as they came", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => void response.end(`app x ${request.url}`));
  await site.map("http://shop.localhost", origin.url);
  await site.map("http://shop.localhost/admin", origin.url, "--access", "token");
  await site.map("http://shop.localhost/office", origin.url, "--allow-from", "10.0.0.0/8");
  for (const path of [...DISGUISED, ...DISGUISED.map((each) => each.replace("admin", "office")), "/OFFICE/x"])
    expect({ path, answer: await ask(site, "shop.localhost", path) }).toEqual({ path, answer: "400" });
  expect(await ask(site, "shop.localhost", "/admin")).toBe("401");
  expect(await ask(site, "shop.localhost", "/office/x")).toBe("403");
  for (const path of ["/a%20b//c;d/%41?e=//%2f", "/administrator", "/x/Admin", "/%E2%82%AC/%252e.html"]) {
    const { body } = await askHttp(site.edge.url, "shop.localhost", { path });
    expect(body.toString()).toBe(`app x ${path}`);
  }
});

/** What this edge can't serve, and what it says to do. */
const UNSERVED: [string, RegExp][] = [
  ["https://shop.localhost", /scheme-unserved[^]*--tls-cert[^]*http:\/\/shop\.localhost[^]*--trusted-proxy/],
  ["http://shop.localhost:9999", /http-port-unheld[^]*port 8787 only[^]*http:\/\/shop\.localhost:8787/],
  ["http://*.*.localhost", /Write |wildcard|\*/i],
  ["http://user@shop.localhost", /host|endpoint/i],
  ["http://shop.localhost/a/../b", /prefix|path/i],
];

test("map add refuses hosts and ports that this edge can't serve, and says what to do instead", async () => {
  await using site = await testSite();
  for (const [endpoint, said] of UNSERVED) {
    const { code, stderr } = await site.edge.cli(["map", "add", endpoint, "lab", "http://127.0.0.1:9"]);
    expect({ endpoint, code: code === 0, stderr }).toMatchObject({
      endpoint,
      code: false,
      stderr: expect.stringMatching(said) as unknown,
    });
  }
  // What it proposes is taken.
  await site.map("http://shop.localhost:8787", "http://127.0.0.1:9");
  const again = await site.edge.cli(["map", "add", "http://shop.localhost:8787", "lab", "http://127.0.0.1:10"]);
  expect(again).toMatchObject({ stderr: expect.stringMatching(/shop\.localhost/) });
  expect(again.code).not.toBe(0);
});

test("Host is the visitor's, the target's own or a third, as the mapping says; what the target says of itself comes back as the endpoint's", async () => {
  await using site = await testSite();
  await using origin = await httpOrigin((request, response) => {
    const self = request.headers.host ?? "";
    const [name = ""] = self.split(":");
    response.writeHead(
      302,
      [
        ["Location", `http://${self}/login?next=http://${self}/`],
        ["Content-Location", `//${self}/here`],
        ["Refresh", `5; url=http://${self}/later`],
        ["Set-Cookie", `a=1; Domain=${name}; Path=/`],
        ["Set-Cookie", "b=2; Domain=other.example; Path=/x"],
        ["Link", `<http://${self}/untouched>`],
      ].flat(),
    );
    response.end(`${self} ${String(request.headers["x-forwarded-host"])}`);
  });
  const own = new URL(origin.url).host;
  await site.map("http://visitor.localhost", origin.url);
  await site.map("http://target.localhost", origin.url, "--host-header", "target");
  await site.map("http://third.localhost", origin.url, "--host-header", "intern.example:81");
  await site.map("http://plain.localhost", origin.url, "--host-header", "target", "--no-rewrite");
  for (const [host, seen, rewritten] of [
    ["visitor.localhost", "visitor.localhost:8787", true],
    ["target.localhost", own, true],
    ["third.localhost", "intern.example:81", true],
    ["plain.localhost", own, false],
  ] as const) {
    const { headers, body } = await askHttp(site.edge.url, host);
    const at = rewritten ? `${host}:8787` : seen;
    const domain = rewritten && seen !== `${host}:8787` ? "" : ` Domain=${seen.split(":")[0]};`;
    expect({ host, body: body.toString(), headers }).toMatchObject({
      host,
      body: `${seen} ${host}:8787`,
      headers: {
        location: `http://${at}/login?next=http://${seen}/`,
        "content-location": `//${at}/here`,
        refresh: `5; url=http://${at}/later`,
        "set-cookie": [`a=1;${domain} Path=/`, "b=2; Domain=other.example; Path=/x"],
        link: `<http://${seen}/untouched>`,
      },
    });
  }
});

test("only a trusted proxy is believed about who asks, and for whom the rules are", async () => {
  const proxy = "127.0.0.9";
  await using site = await testSite({}, "--trusted-proxy", `${proxy}/32`);
  await using origin = await httpOrigin((request, response) => void response.end(JSON.stringify(request.headers)));
  await site.map("http://app.localhost", origin.url, "--deny-from", "198.51.100.0/24");
  const told = {
    "x-forwarded-for": "203.0.113.7, 192.0.2.5",
    "x-forwarded-proto": "http",
    forwarded: "for=6.6.6.6",
    "x-real-ip": "6.6.6.6",
  };
  const through = await askHttp(site.edge.url, "app.localhost", { headers: told, from: proxy });
  // The nearest address that is no proxy of ours counts; what stands before it is anybody's word.
  expect(JSON.parse(through.body.toString())).toMatchObject({
    "x-forwarded-for": `192.0.2.5, ${proxy}`,
    "x-real-ip": "192.0.2.5",
    forwarded: `for=192.0.2.5;host="app.localhost:8787";proto=http, for=${proxy}`,
  });
  const direct = await askHttp(site.edge.url, "app.localhost", { headers: told, from: "127.0.0.1" });
  expect(JSON.parse(direct.body.toString())).toMatchObject({
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
  });
  const denied = { "x-forwarded-for": "198.51.100.1" };
  expect((await askHttp(site.edge.url, "app.localhost", { headers: denied, from: proxy })).status).toBe(403);
  expect((await askHttp(site.edge.url, "app.localhost", { headers: denied, from: "127.0.0.1" })).status).toBe(200);
  const unreadable = { "x-forwarded-for": "somebody" };
  expect((await askHttp(site.edge.url, "app.localhost", { headers: unreadable, from: proxy })).status).toBe(403);
});
