import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AGENT, SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import type { MappingView, StatusView, TokenView } from "../../shared/rule/api.ts";
import { TestEdge } from "../support/edge.ts";
import { loopback } from "../support/net.ts";
import { olderEdge } from "../support/older.ts";
import { ask, tcpServer } from "../support/peers.ts";
import { run, type Run } from "../support/run.ts";
import { listeningAt } from "../support/site.ts";
import { ANYWHERE } from "../support/targets.ts";

const FROM = {
  "the commit before this one": ["--skip=1"],
  "the one that last changed the tables": ["--", "edge/registry/schema.ts"],
};

test.for(Object.entries(FROM))("an edge of %s is upgraded in place under live streams", async ([, select], context) => {
  await using stack = new AsyncDisposableStack();
  const { older, folder, edge } = stack.use(await olderEdge(context, select, "8080"));
  await using echo = await tcpServer(loopback());
  const target = `${echo.host}:${echo.port}`;
  await edge.ok("map", "add", "lab/echo", "lab", target, "--owner", "ann", "--note", "before the upgrade");
  await edge.ok("map", "add", "8080/tcp", "lab", target, "--max-streams", "7");
  const revoked = join(folder, "revoked");
  await writeFile(revoked, await edge.ok("token", "visitor", "--endpoint", "lab/echo"), { mode: 0o600 });
  const [lost] = (await edge.json<TokenView[]>("token", "ls")).filter(({ kind }) => kind === "visitor");
  await edge.ok("token", "revoke", lost?.jti ?? "");
  const before = await facts(edge);

  const [agentToken, visitorToken] = ["agent", "visitor"].map((name) => join(folder, name)) as [string, string];
  await writeFile(agentToken, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  await writeFile(visitorToken, await edge.ok("token", "visitor", "--endpoint", "lab/*"), { mode: 0o600 });
  const start = async (...words: string[]): Promise<Run> => {
    const started = stack.use(run(SYSTEM_NODE, [...words, "--log", "json"]));
    await started.until(/"msg":"ready"/);
    return started;
  };
  await start(older.agent, "--token-file", agentToken);
  const client = await start(older.sallyport, "connect", "lab/echo", "--token-file", visitorToken);
  using live = stream(await listeningAt(client, "lab/echo"));
  await live.echoes("through the old edge;");

  const become = async (program: string): Promise<void> => {
    await edge.stop();
    edge.program = program;
    await edge.start();
  };
  await become(SALLYPORT);
  // The same stream, of an old client to an old agent, through the new edge.
  await live.echoes("through the new one;");
  expect(await facts(edge)).toEqual(before);
  expect(await edge.cli(["connect", "lab/echo", "--token-file", revoked])).toMatchObject({ code: 4 });
  expect(await ask(edge.host, 8080, "a port of the old register")).toBe("a port of the old register");
  await edge.ok("map", "add", "lab/new", "lab", target);
  await edge.ok("map", "edit", "8080/tcp", "--max-streams", "9");

  // A new agent takes over from the old one, which keeps what is open.
  await start(AGENT, "--token-file", agentToken);
  await live.echoes("beside a new agent;");
  const visitor = await start(SALLYPORT, "connect", "lab/new=127.0.0.1:0", "--token-file", visitorToken);
  const { host, port } = await listeningAt(visitor, "lab/new");
  expect(await ask(host, port, "all of it new")).toBe("all of it new");

  // And back, should the new version disappoint: older Workers read what newer ones wrote.
  await become(older.sallyport);
  expect(await edge.json<MappingView>("map", "show", "8080/tcp")).toMatchObject({ maxStreams: 9, note: "" });
  expect((await edge.json<StatusView>("status")).mappings).toHaveLength(3);
  expect(await ask(host, port, "through the old edge again")).toBe("through the old edge again");
});

/** What an edge knows that no upgrade may change. */
async function facts(edge: TestEdge): Promise<unknown> {
  const mappings = await edge.json<MappingView[]>("map", "ls");
  const tokens = await edge.json<TokenView[]>("token", "ls");
  const told = mappings.map(({ id, endpoint, target, owner, note, maxStreams, created }) => {
    return { id, endpoint, target, owner, note, maxStreams, created };
  });
  const revoked = tokens.filter((token) => token.revoked).map(({ jti, revokedAt }) => ({ jti, revokedAt }));
  return { told, revoked };
}

function stream({ host, port }: { host: string; port: number }): Disposable & { echoes(text: string): Promise<void> } {
  const socket: Socket = connect(port, host).setEncoding("utf8");
  let heard = "";
  let over: Error | undefined;
  socket.on("data", (text: string) => (heard += text));
  socket.on("error", (error) => (over = error)).on("close", () => (over ??= new Error("the stream has ended")));
  return {
    async echoes(text) {
      socket.write(text);
      while (!heard.endsWith(text)) {
        if (over !== undefined) throw new Error(`after ${JSON.stringify(heard)}: ${over.message}`);
        await new Promise<void>((resolve) => {
          for (const event of ["data", "close"]) socket.once(event, () => resolve());
        });
      }
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}
