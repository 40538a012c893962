import { request } from "node:http";
import { EXIT, Problem, type ExitCode } from "../../link/problem.ts";
import { controlPaths } from "./socket-path.ts";
import type { AgentReport } from "./report.ts";

const TIMEOUT_MS = 5_000;

/** An agent that runs on this machine. */
export type Running = { path: string; report: AgentReport };

/** Asks the agents of this machine that this user may ask, or only those of one site. Throws Problem with exit code 6 when there is none. */
export async function runningAgents(env: NodeJS.ProcessEnv, site: string | undefined): Promise<Running[]> {
  const paths = controlPaths(env);
  const asked = await Promise.all(paths.map((path) => report(path)));
  const running = asked.filter((each) => "report" in each);
  const chosen = site === undefined ? running : running.filter((each) => each.report.site === site);
  if (chosen.length > 0) return chosen;
  if (asked.some((each) => "code" in each && each.code === "EACCES")) {
    throw new Problem(
      EXIT.notReady,
      "agent-foreign",
      "an agent runs here, but as another user",
      "ask as that user, or as root: sudo agent status",
    );
  }
  const which = site === undefined ? "no agent runs here" : `no agent of ${site} runs here`;
  throw new Problem(
    EXIT.notReady,
    "agent-not-running",
    which,
    "start one (agent --token-file FILE), or look at: systemctl status sallyport-agent",
  );
}

/** Makes an agent read its configuration and token again. Resolves with what changed. Throws Problem. */
export async function reload(path: string): Promise<string[]> {
  const { status, body } = await ask(path, "POST", "/reload");
  if (status === 200) return (body as { changed: string[] }).changed;
  const { code, cause, fix, exit } = body as { code: string; cause: string; fix: string; exit: ExitCode };
  throw new Problem(exit, code, cause, fix);
}

async function report(path: string): Promise<Running | { code: string }> {
  try {
    const { body } = await ask(path, "GET", "/status");
    return { path, report: body as AgentReport };
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code ?? "" };
  }
}

function ask(socketPath: string, method: string, path: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer")));
    sent.once("error", reject);
    sent.end();
  });
}
