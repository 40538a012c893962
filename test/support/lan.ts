import { writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { AGENT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { loopback } from "./net.ts";
import type { TestEdge } from "./edge.ts";
import { execute, run, type Ended, type Run } from "./run.ts";
import { ANYWHERE } from "./targets.ts";

/** An agent of a test, and the commands that ask it. */
export interface TestAgent extends AsyncDisposable {
  readonly run: Run;
  readonly tokenFile: string;
  /** Runs `agent` with these words to its end, on the same machine, so to say. */
  readonly ask: (...words: readonly string[]) => Promise<Ended>;
}

/** Starts an agent of the site `lab`, which is made for it, and waits until it is ready. */
export async function testAgent(edge: TestEdge, ...more: readonly string[]): Promise<TestAgent> {
  await edge.ok("site", "add", "lab");
  const tokenFile = join(edge.data, "token");
  await writeFile(tokenFile, await edge.ok("token", "agent", "lab", "--local", ...ANYWHERE), { mode: 0o600 });
  return againAgent(edge, { tokenFile }, ...more);
}

/** Starts an agent with the token of an earlier one. */
export async function againAgent(
  edge: TestEdge,
  { tokenFile }: Pick<TestAgent, "tokenFile">,
  ...more: readonly string[]
): Promise<TestAgent> {
  const env = { SALLYPORT_RUN_DIR: join(edge.data, "run") };
  const agent = run(SYSTEM_NODE, [AGENT, "--token-file", tokenFile, "--log", "json", ...more], { env });
  await agent.until(/"msg":"ready"/);
  return {
    run: agent,
    tokenFile,
    ask: (...words) => execute(SYSTEM_NODE, [AGENT, ...words], { env }),
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}

/** A private server that says back what it hears, on an address that no other test has. */
export async function echoServer(): Promise<AsyncDisposable & { readonly address: string }> {
  const host = loopback();
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { address: `${host}:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

/** What comes back for a line through a TCP port; "" when the other side hangs up without a word. */
export async function exchange(host: string, port: number, line: string): Promise<string> {
  const socket = connect(port, host);
  socket.on("error", () => undefined);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
    if (answer.length >= line.length) socket.end();
  });
  socket.write(line);
  await once(socket, "close");
  return answer;
}
