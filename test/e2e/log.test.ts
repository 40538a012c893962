import { expect, test } from "vitest";
import type { ConnectionView } from "../../shared/rule/api.ts";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { askHttp, httpOrigin } from "../support/http.ts";
import { loopback } from "../support/net.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { run } from "../support/run.ts";
import { testSite, type TestSite } from "../support/site.ts";

test("the log is filtered by endpoint, site, visitor, outcome and time; followed, it tells each connection once", async () => {
  await using site = await testSite({ tcp: "8080,8081" });
  await using echo = await tcpServer(loopback());
  await using origin = await httpOrigin((_, response) => void response.end("ok"));
  const { edge } = site;
  const [guest, stranger] = [loopback(), loopback()];
  const target = `${echo.host}:${echo.port}`;
  await edge.ask("POST", "/mappings", { endpoint: "8080/tcp", site: "lab", target });
  await edge.ask("POST", "/mappings", { endpoint: "8081/tcp", site: "lab", target, deny: [stranger] });
  await edge.ask("POST", "/mappings", { endpoint: "http://app.localhost:8787", site: "lab", target: origin.url });
  const env = { SALLYPORT_EDGE: edge.url, SALLYPORT_ADMIN_TOKEN: edge.adminToken };
  await using following = run(SYSTEM_NODE, [SALLYPORT, "log", "--follow", "--json"], { env });

  expect(await ask(edge.host, 8080, "hello", guest)).toBe("hello");
  await following.until(/"endpoint":"8080\/tcp"[^\n]*\n/);
  const began = new Date().toISOString();
  expect(await ask(edge.host, 8081, "hello", guest)).toBe("hello");
  await ask(edge.host, 8081, "hello", stranger).catch(() => "");
  expect((await askHttp(edge.url, "app.localhost")).status).toBe(200);
  for (const wanted of [/"endpoint":"8081\/tcp"[^\n]*"outcome":"done"/, /"outcome":"refused"/, /"endpoint":"http:/])
    await following.until(wanted);

  const found = async (...words: string[]): Promise<string[]> => {
    const rows = await edge.json<ConnectionView[]>("log", ...words);
    return rows.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`).toSorted();
  };
  const web = "http://app.localhost:8787 done";
  expect(await found()).toEqual(["8080/tcp done", "8081/tcp done", "8081/tcp refused", web]);
  expect(await found("--endpoint", "8081/tcp")).toEqual(["8081/tcp done", "8081/tcp refused"]);
  expect(await found("--visitor", `${guest}/32`)).toEqual(["8080/tcp done", "8081/tcp done"]);
  expect(await found("--visitor", `::ffff:${stranger}`)).toEqual(["8081/tcp refused"]);
  expect(await found("--outcome", "refused")).toEqual(["8081/tcp refused"]);
  expect(await found("--since", began, "--site", "lab")).toEqual(["8081/tcp done", "8081/tcp refused", web]);
  expect(await found("--site", "nowhere")).toEqual([]);
  expect(await found("--limit", "2")).toHaveLength(2);
  expect(await edge.cli(["log", "--visitor", "10.0.0.1/8"])).toMatchObject({ code: 2 });

  // What was told while its relay still had it is not told again when the journal has it.
  await written(site, 4);
  expect(await ask(edge.host, 8080, "again", guest)).toBe("again");
  await following.until(/(?:"endpoint":"8080\/tcp"[^]*){2}\n/);
  const told = following.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ConnectionView);
  expect(told.map(({ endpoint, outcome }) => `${endpoint} ${outcome}`).toSorted()).toEqual([
    "8080/tcp done",
    "8080/tcp done",
    "8081/tcp done",
    "8081/tcp refused",
    web,
  ]);
});

test("an edge that is told to keep three connections and two changes keeps the last ones", async () => {
  await using site = await testSite({ tcp: "8080" }, "--log-keep", "3", "--audit-keep", "2", "--keep-days", "30");
  await using echo = await tcpServer(loopback());
  await site.map("8080/tcp", `${echo.host}:${echo.port}`, "--name", "kept");
  for (const text of ["a", "bb", "ccc", "dddd", "eeeee"]) {
    expect(await ask(site.edge.host, 8080, text)).toBe(text);
    for (;;) {
      const rows = await site.edge.json<ConnectionView[]>("log");
      if (rows.at(-1)?.bytesIn === text.length && rows.at(-1)?.n !== null) break;
    }
  }
  const rows = await site.edge.json<ConnectionView[]>("log");
  expect(rows.map(({ bytesIn }) => bytesIn)).toEqual([3, 4, 5]);
  const audit = await site.edge.json<{ action: string }[]>("audit");
  expect(audit.map(({ action }) => action)).toEqual(["token agent", "map add"]);
});

/** Resolves when the journal has so many connections. */
async function written({ edge }: TestSite, count: number): Promise<void> {
  for (;;) {
    const rows = await edge.ask<{ connections: ConnectionView[] }>("GET", "/log");
    if (rows.connections.filter(({ n }) => n !== null).length >= count) return;
  }
}
