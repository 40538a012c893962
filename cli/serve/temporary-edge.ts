import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Dialler } from "../../link/dial/dialler.ts";
import type { Log } from "../../link/log.ts";
import { EXIT, Problem } from "../../link/problem.ts";
import type { IssuedView } from "../../shared/rule/api.ts";
import { openEdge, type Edge } from "../edge.ts";
import { startWorkerd } from "./workerd-process.ts";
import { HTTP_SOCKET, workerdConfig } from "./workerd-config.ts";
import { isHealthy } from "./health.ts";
import { findWorkerd } from "./find-workerd.ts";

const HEALTH_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
/** The life, in seconds, of the login with which this edge is called. */
const LOGIN_LIFE_S = 600;
/** How much history to keep: all, so that the temporary edge deletes nothing. */
const KEEP_ALL = "1000000";

export type TemporaryEdgeOptions = {
  /** A folder with `storage`, as in a backup or a data folder; no other edge may be using it. */
  folder: string;
  /** The source of the built Worker. */
  worker: string;
  env: NodeJS.ProcessEnv;
  log: Log;
};

/**
 * Runs an edge on a folder, on loopback only and without public ports, while `work` calls its API as an admin; then revokes that login
 * and stops the edge. Returns null for an edge that had no login yet: it holds nothing. Throws Problem.
 */
export async function withTemporaryEdge<T>(
  { folder, worker, env, log }: TemporaryEdgeOptions,
  work: (edge: Edge) => Promise<T>,
): Promise<T | null> {
  const run = `${folder}.run`;
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const config = workerdConfig({
    worker,
    storage: join(folder, "storage"),
    listen: { host: "127.0.0.1", port: 0 },
    localPort: null,
    tls: null,
    bind: "127.0.0.1",
    tcp: [],
    dialsOut: false,
    vars: { SELF_HOSTED: "1", LOG_KEEP: KEEP_ALL, AUDIT_KEEP: KEEP_ALL },
    secrets: ["ADMIN_SECRET"],
  });
  // The folder's own admin secret is not used: this one is valid for this run only.
  const secret = randomBytes(32).toString("base64url");
  const binary = findWorkerd(env, (message) => log("info", message));
  const workerd = startWorkerd({
    binary,
    folder: run,
    config,
    sockets: [HTTP_SOCKET],
    secrets: { ADMIN_SECRET: secret },
    log,
  });
  try {
    const port = (await workerd.listening).get(HTTP_SOCKET) ?? 0;
    if (!(await isHealthy({ host: "127.0.0.1", port }, false, HEALTH_TIMEOUT_MS)))
      throw new Error("workerd listens, but the Worker in it does not answer");
    return await callAsAdmin(`http://127.0.0.1:${port}`, secret, work);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new Problem(EXIT.failed, "workerd-failed", `${folder}: ${cause}`, "see the log lines above");
  } finally {
    await workerd.stop(STOP_GRACE_MS);
  }
}

async function callAsAdmin<T>(url: string, secret: string, work: (edge: Edge) => Promise<T>): Promise<T | null> {
  // No proxy: this is our own workerd on loopback.
  const connection = { url, insecure: true, dialler: new Dialler() };
  let login: IssuedView;
  try {
    login = await openEdge({ ...connection, token: null }).call<IssuedView>("POST", "/login", {
      secret,
      life: LOGIN_LIFE_S,
    });
  } catch (error) {
    if (error instanceof Problem && error.code === "url-unknown") return null;
    throw error;
  }
  const edge = openEdge({ ...connection, token: login.token });
  const answer = await work(edge);
  // `work` may have revoked this token already, with all others.
  await edge.call("DELETE", `/tokens/${encodeURIComponent(login.jti)}`).catch(() => undefined);
  return answer;
}
