import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { loopback } from "../support/net.ts";
import { ask, UdpVisitor } from "../support/peers.ts";
import { testSite, type TestSite } from "../support/site.ts";

// Edge to agent to edge: ended at once, not dialled until nothing is left.

/** A turn or two may pass before the agent knows its own end of the connection. */
const FEW = 6;

test("a target that is the Worker's own port is found to lead back, and the log says so", async () => {
  await using site = await testSite({ tcp: "8080" });
  await site.map("8080/tcp", `${site.edge.host}:8080`);
  expect(await ask(site.edge.host, 8080, "anybody?").catch(() => "")).toBe("");
  await expect.poll(() => looped(site), { timeout: 40_000 }).toBeGreaterThan(0);
  expect((await logged(site)).length).toBeLessThanOrEqual(FEW);
});

test("a target that is the gateway's own port is found to lead back, TCP and UDP", async () => {
  await using site = await testSite();
  const host = loopback();
  const token = await site.token("gateway");
  await site.map("9000/tcp+udp", `${host}:9000`);
  const gateway = await site.gateway(token, "--bind", host);
  await expect(ask(host, 9000, "anybody?")).rejects.toThrow("ECONNRESET");
  await expect.poll(() => looped(site), { timeout: 40_000 }).toBeGreaterThan(0);
  const ofTcp = (await logged(site)).length;
  expect(ofTcp).toBeLessThanOrEqual(FEW);
  await using visitor = new UdpVisitor({ host, port: 9000 });
  visitor.send("anybody?");
  await gateway.until(/"msg":"stream ended early".*"endpoint":"9000\/udp".*"code":"loop"/);
  expect((await logged(site)).length).toBeLessThanOrEqual(ofTcp + FEW);
});

test("a web service that is the edge itself is answered with 508, after a few passes", async () => {
  await using site = await testSite();
  await site.map("http://loop.localhost:8787", site.edge.url);
  const { status, text } = await requested(site, "loop.localhost:8787");
  expect(status).toBe(508);
  expect(text).toContain("leads back");
  await expect.poll(() => looped(site), { timeout: 40_000 }).toBe(1);
});

async function requested(site: TestSite, host: string): Promise<{ status: number; text: string }> {
  const request = get(site.edge.url, { headers: { host }, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, text: await textOf(response) };
}

async function logged(site: TestSite): Promise<ConnectionView[]> {
  return site.edge.json<ConnectionView[]>("log");
}

async function looped(site: TestSite): Promise<number> {
  return (await logged(site)).filter(({ code }) => code === "loop").length;
}
