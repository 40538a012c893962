import { setupAnswer, setupProblem } from "./api/setup.ts";
import type { Env } from "./env.ts";
import { admitHttp } from "./ingress/http.ts";
import { healthz, isHealthz } from "./reserved.ts";
import { admitTcp } from "./ingress/tcp.ts";
import { Registry } from "./registry/registry.ts";
import { Relay } from "./relay/relay.ts";

export { Registry, Relay };

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const problem = setupProblem(env);
    if (problem === undefined) return admitHttp(request, env, ctx);
    // The health check works before setup, so that a supervisor can tell whether the process runs.
    if (isHealthz(request)) return healthz();
    return setupAnswer(request, problem);
  },
  async connect(socket: Socket, env: Env, ctx: ExecutionContext): Promise<void> {
    if (setupProblem(env) === undefined) await admitTcp(socket, env, ctx);
    else await socket.close();
  },
};
