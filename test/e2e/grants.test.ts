import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { expect, test } from "vitest";
import type { ConnectionView, GrantView } from "../../shared/rule/api.ts";
import { HandMade } from "../support/hand-made.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer, udpServer, UdpVisitor } from "../support/peers.ts";
import { requestFrom } from "../support/request.ts";
import { testSite, type TestSite } from "../support/site.ts";

test("a link lets in the address that opens it, and nobody else", async () => {
  await using site = await closedSite();
  const { host } = site.edge;
  const [guest, stranger] = [loopback(), loopback()];
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "1h", "--to", "Ann's phone");
  expect(await knock(host, 8080, "hello", guest)).toBe("");

  // Looking at it is what a chat's preview does: nothing comes of it, however often.
  for (const visitor of [stranger, guest]) {
    const page = await requestFrom(visitor, "GET", link, { accept: "text/html" });
    expect(page).toMatchObject({ status: 200, headers: { "cache-control": "no-store" } });
    expect(page.body).toContain("Ann's phone");
    expect(page.body).toContain(visitor);
  }
  expect(await knock(host, 8080, "hello", guest)).toBe("");

  const used = await requestFrom(guest, "POST", link);
  expect(used).toMatchObject({ status: 200, body: expect.stringContaining(`${host}:8080 (TCP)`) });
  expect(await knock(host, 8080, "hello", guest)).toBe("hello");
  expect(await knock(host, 8080, "hello", stranger)).toBe("");
  expect(await site.edge.json<GrantView[]>("grant", "ls")).toMatchObject([
    { to: "Ann's phone", endpoints: ["8080/tcp"], addresses: [guest] },
  ]);

  // It was a one-time link: others find it used, its user may look again.
  expect(await requestFrom(stranger, "POST", link)).toMatchObject({ status: 404 });
  expect(await knock(host, 8080, "hello", stranger)).toBe("");
  expect((await requestFrom(guest, "GET", link)).body).toContain(`${host}:8080`);
});

test("a form on somebody else's page does not use a link", async () => {
  await using site = await closedSite();
  const guest = loopback();
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "1h");
  expect(await requestFrom(guest, "POST", link, { origin: "https://evil.example" })).toMatchObject({ status: 403 });
  expect(await requestFrom(guest, "POST", link, { origin: "null" })).toMatchObject({ status: 403 });
  expect(await knock(site.edge.host, 8080, "hello", guest)).toBe("");
  expect(await requestFrom(guest, "POST", link, { origin: site.edge.url })).toMatchObject({ status: 200 });
  expect(await knock(site.edge.host, 8080, "hello", guest)).toBe("hello");
});

test("taking a grant back cuts what it let in", async () => {
  await using site = await closedSite();
  const guest = loopback();
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "1h");
  await requestFrom(guest, "POST", link);
  await using visitor = await visit(site, guest);
  const [{ id } = { id: "" }] = await site.edge.json<GrantView[]>("grant", "ls");
  await site.edge.ok("grant", "rm", id);
  await visitor.gone;
  expect(await endOf(site, guest)).toMatchObject({ outcome: "cut", code: "cut" });
  expect(await knock(site.edge.host, 8080, "hello", guest)).toBe("");
  expect(await requestFrom(guest, "POST", link)).toMatchObject({ status: 404 });
});

test("the end of its time cuts what a grant let in, and it is forgotten", async () => {
  await using site = await closedSite();
  const guest = loopback();
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "4s");
  await requestFrom(guest, "POST", link);
  await using visitor = await visit(site, guest);
  await visitor.gone;
  expect((await endOf(site, guest)).code).toMatch(/^(expired|cut)$/);
  expect(await knock(site.edge.host, 8080, "hello", guest)).toBe("");
  expect(await site.edge.json("grant", "ls")).toEqual([]);
});

test("a grant opens a port that is otherwise for tokens, but never what the deny list closes", async () => {
  await using site = await testSite({ tcp: "8080,8081" });
  await using echo = await tcpServer(loopback());
  const [guest, banned] = [loopback(), loopback()];
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  await site.map("8081/tcp", `${echo.host}:${echo.port}`, "--access", "token", "--deny-from", banned);
  const endpoints = ["8080/tcp", "8081/tcp"];
  for (const visitor of [guest, banned]) {
    expect(await knock(site.edge.host, 8080, "hello", visitor)).toBe("");
    await requestFrom(visitor, "POST", await site.edge.ok("grant", ...endpoints, "--for", "1h"));
    expect(await knock(site.edge.host, 8080, "hello", visitor)).toBe("hello");
  }
  expect(await knock(site.edge.host, 8081, "hello", guest)).toBe("hello");
  expect(await knock(site.edge.host, 8081, "hello", banned)).toBe("");
});

test("a grant opens a UDP port at a gateway for one address, and cuts its flow when it is taken back", async () => {
  await using site = await testSite();
  await using echo = await udpServer(loopback());
  const [guest, stranger, bind] = [loopback(), loopback(), loopback()];
  const token = await site.token("gateway", "--endpoint", "7000/udp");
  await site.map("7000/udp", `${echo.host}:${echo.port}`, "--access", "token");
  const gateway = await site.gateway(token, "--bind", bind);
  const link = await site.edge.ok("grant", "7000/udp", "--for", "1h");
  expect(await requestFrom(guest, "POST", link)).toMatchObject({
    status: 200,
    body: expect.stringContaining("7000 (UDP)"),
  });
  // Closed to everybody, it has no port; from now on it has.
  await gateway.until(/"msg":"listening","endpoint":"7000\/udp"/);
  await using visitor = new UdpVisitor({ host: bind, port: 7000 }, guest);
  await using other = new UdpVisitor({ host: bind, port: 7000 }, stranger);
  other.send("hello");
  expect((await visitor.ask("hello")).toString()).toBe("hello");
  other.send("hello");
  // The first words were said again until they were answered, so there may be several answers to them.
  await visitor.ask("again", (answer) => answer.toString() === "again");
  expect(other.received).toEqual([]);
  const [{ id } = { id: "" }] = await site.edge.json<GrantView[]>("grant", "ls");
  await site.edge.ok("grant", "rm", id);
  await gateway.until(/"msg":"closed","endpoint":"7000\/udp"/);
});

test("the browser that used a link may add its address of the other IP version, counted by its /64, and nobody else", async () => {
  // A balancer says who opens the link, and a gateway who comes to the port.
  await using site = await testSite({}, "--trusted-proxy", "127.0.0.0/8");
  await using echo = await tcpServer(loopback());
  const token = (await readFile(await site.token("gateway"), "utf8")).trim();
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--access", "token");
  await using gateway = await new HandMade({ url: site.edge.url, token, kind: "gateway" }).join();
  const link = await site.edge.ok("grant", "8080/tcp", "--for", "1h");
  const use = (method: string, address: string, cookie = "") =>
    requestFrom("127.0.0.1", method, link, { "x-forwarded-for": address, cookie });
  const first = await use("POST", "2001:db8:1:2::9", "sallyport-grant=made-up");
  expect(first.status).toBe(200);
  const [set = ""] = first.headers["set-cookie"] ?? [];
  const path = new URL(link).pathname;
  expect(set).toMatch(/^sallyport-grant=[0-9a-f]{32}; /);
  expect(set).toContain(`; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=600`);
  // A second person has the link, and comes by IPv4.
  for (const cookie of ["", "sallyport-grant=made-up", "sallyport-grant="]) {
    expect(await use("GET", "203.0.113.66", cookie)).toMatchObject({ status: 404 });
    expect(await use("POST", "203.0.113.66", cookie)).toMatchObject({ status: 404 });
  }
  expect(await site.edge.json<GrantView[]>("grant", "ls")).toMatchObject([{ addresses: ["2001:db8:1:2::9"] }]);
  // The first one's browser does as well now.
  const own = `other=1; ${set.slice(0, set.indexOf(";"))}`;
  expect((await use("GET", "198.51.100.7", own)).body).toContain("198.51.100.7");
  const second = await use("POST", "198.51.100.7", own);
  expect([second.status, second.headers["set-cookie"]]).toEqual([200, undefined]);
  for (const address of ["198.51.100.8", "2001:db8:9::1"])
    expect(await use("POST", address, own)).toMatchObject({ status: 404 });
  const visitors: [visitor: string, answer: string][] = [
    ["[2001:db8:1:2::9]:5000", "open"],
    ["[2001:db8:1:2:ffff::1]:5000", "open"],
    ["198.51.100.7:5000", "open"],
    ["[::ffff:198.51.100.7]:5000", "open"],
    ["[2001:db8:1:3::9]:5000", "denied"],
    ["198.51.100.8:5000", "denied"],
    ["[64:ff9b::c633:6407]:5000", "denied"],
  ];
  for (const [index, [from, answer]] of visitors.entries()) {
    expect({ from, answer: await gateway.open(index + 1, "8080/tcp", from) }).toEqual({ from, answer });
  }
  expect(await site.edge.json<GrantView[]>("grant", "ls")).toMatchObject([
    { addresses: ["198.51.100.7", expect.stringContaining("2001:db8:1:2:")] },
  ]);
});

test("a grant opens a host for one address, and its page is the host's own", async () => {
  await using site = await testSite();
  await using web = await httpOrigin((request, response) => response.end(String(request.headers["x-forwarded-for"])));
  const [guest, stranger] = [loopback(), loopback()];
  await site.map("http://camera.example:8787", web.url, "--access", "token");
  const get = async (from: string) => {
    const { status, body } = await askHttp(site.edge.url, "camera.example", { from });
    return [status, body.toString().slice(0, 20)];
  };
  expect((await get(guest))[0]).toBe(401);
  const link = await site.edge.ok("grant", "http://camera.example:8787", "--for", "1h");
  await requestFrom(guest, "POST", link);
  expect(await get(guest)).toEqual([200, guest]);
  expect((await get(stranger))[0]).toBe(401);
  const [{ id } = { id: "" }] = await site.edge.json<GrantView[]>("grant", "ls");
  await site.edge.ok("grant", "rm", id);
  expect((await get(guest))[0]).toBe(401);
});

test("grants are for endpoints that are there, and have a public side", async () => {
  await using site = await testSite();
  await site.map("lab/ssh", "127.0.0.1:9");
  expect(await site.edge.cli(["grant", "8080/tcp", "--for", "1h"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no-such-mapping"),
  });
  expect(await site.edge.cli(["grant", "lab/ssh", "--for", "1h"])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("token visitor"),
  });
  expect(await site.edge.cli(["grant", "lab/ssh"])).toMatchObject({ code: 2 });
  expect(await site.edge.cli(["grant", "rm", "x"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no-such-grant"),
  });
});

/** A site whose 8080/tcp leads to an echo, and is closed to all of this machine. */
async function closedSite(): Promise<TestSite> {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await testSite({ tcp: "8080" }));
  const echo = stack.use(await tcpServer(loopback()));
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--allow-from", "10.0.0.0/8");
  const owned = stack.move();
  site[Symbol.asyncDispose] = () => owned.disposeAsync();
  return site;
}

/** What comes back for a text; "" when nobody is let in. */
function knock(host: string, port: number, text: string, from: string): Promise<string> {
  // An edge that hangs up with bytes unread resets.
  return ask(host, port, text, from).catch(() => "");
}

/** A visitor with a connection that has carried something. `gone` is fulfilled when it has been sent away. */
async function visit(site: TestSite, from: string) {
  const socket = connect({ host: site.edge.host, port: 8080, localAddress: from });
  socket.on("error", () => undefined);
  const gone = once(socket, "close");
  socket.write("x");
  await once(socket, "data");
  return { gone, [Symbol.asyncDispose]: async () => void socket.destroy() };
}

/** How the last connection from an address that was let in ended. */
async function endOf(site: TestSite, from: string): Promise<ConnectionView> {
  for (;;) {
    const log = await site.edge.json<ConnectionView[]>("log");
    const found = log.findLast(({ visitor, bytesIn }) => visitor.startsWith(`${from}:`) && bytesIn > 0);
    if (found !== undefined) return found;
  }
}
