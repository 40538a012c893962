import { expect, test, vi } from "vitest";

// The Worker's way in for requests, with the platform's parts made by hand.

const { admitHttp } = (await import(
  /* @vite-ignore */ new URL("../../edge/ingress/http.ts", import.meta.url).href
)) as {
  admitHttp: (request: Request, env: unknown, ctx: unknown) => Promise<Response>;
};

test("with a registry that fails, the edge still says that it runs, and nothing else", async () => {
  using _log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const registry = new Proxy({}, { get: () => () => Promise.reject(new Error("the registry is gone")) });
  const env = { REGISTRY: { getByName: () => registry }, SELF_HOSTED: "1" };
  const ask = (path: string, method = "GET") =>
    admitHttp(new Request(`http://edge.test${path}`, { method }), env, { waitUntil: () => undefined });
  expect((await ask("/.sallyport/healthz")).status).toBe(200);
  expect((await ask("/.sallyport/healthz", "HEAD")).status).toBe(200);
  for (const path of ["/", "/.sallyport/jwks.json", "/?/.sallyport/healthz"])
    expect({ path, status: (await ask(path)).status }).toEqual({ path, status: 500 });
});
