import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { Problem } from "../../link/problem.ts";
import type { AgentReport } from "./report.ts";

/** The operations that the control socket offers. */
export type ControlHost = {
  report: () => AgentReport;
  /** Reads configuration and token again. Returns what changed. If it throws Problem, nothing has changed. */
  reload: () => string[];
};

/** Listens on a socket that only this user can open. Rejects with the error of `listen`. */
export async function serveControl(path: string, host: ControlHost): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    request.resume();
    switch (`${request.method} ${request.url}`) {
      case "GET /status":
        return answer(200, host.report());
      case "POST /reload":
        try {
          return answer(200, { changed: host.reload() });
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          const { code, message, fix, exit } = error;
          return answer(422, { code, cause: message, fix, exit });
        }
      default:
        return answer(404, { code: "no-such-route", cause: "There is no such route." });
    }
  });
  await listening(server, path);
  server.unref();
  if (process.platform !== "win32") chmodSync(path, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(path, { force: true });
    },
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Process ids are reused: a socket that is there already was left by an agent that was killed.
    if (process.platform !== "win32") rmSync(path, { force: true });
    server.listen(path, resolve);
  });
}
