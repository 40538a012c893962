import { Hono } from "hono";
import { api } from "./api/api.ts";
import { metrics } from "./api/metrics.ts";
import { registryOf, type Env } from "./env.ts";
import { admitCaller } from "./ingress/caller.ts";
import { admitHttp } from "./ingress/http.ts";
import { forgetHosts } from "./ingress/http-routes.ts";
import { admitAgent } from "./ingress/lane.ts";
import { admitRaw } from "./ingress/raw.ts";
import { admitTcp } from "./ingress/tcp.ts";
import { Registry } from "./registry/registry.ts";
import { Relay } from "./relay/relay.ts";

export { Registry, Relay };

const app = new Hono<{ Bindings: Env }>();

app.get("/.sallyport/healthz", (c) => c.json({ ok: true, time: Date.now() }));
app.get("/.sallyport/jwks.json", async (c) => c.json({ keys: (await registryOf(c.env).trust()).keys }));
app.get("/.sallyport/agent", (c) => admitAgent(c.req.raw, c.env));
app.get("/.sallyport/connect", (c) => admitCaller(c.req.raw, c.env));
app.all("/.sallyport/tcp/*", (c) => admitRaw(c.req.raw, c.env));
app.route("/.sallyport/api/v1", api);
app.route("/.sallyport/metrics", metrics);
app.notFound((c) => c.text("not found\n", 404));

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const admitted = await admitHttp(request, env, ctx);
    if (admitted !== undefined) return admitted;
    try {
      return await app.fetch(request, env, ctx);
    } finally {
      if (request.method !== "GET") forgetHosts();
    }
  },
  connect: admitTcp,
};
