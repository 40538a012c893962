import { problemResponse, type Problem } from "../problem.ts";
import { MIN_SECRET } from "../registry/secret.ts";

/** The parts of the environment that are checked. */
type Setup = { ADMIN_SECRET?: string; SELF_HOSTED?: string };

/** Returns what is missing before the edge can be used; undefined when nothing is. */
export function setupProblem(env: Setup): Problem | undefined {
  const secret = env.ADMIN_SECRET ?? "";
  if (secret.length >= MIN_SECRET) return undefined;
  return {
    status: 503,
    code: secret === "" ? "no-admin-secret" : "admin-secret-short",
    title: "This edge is not set up yet",
    detail:
      secret === ""
        ? "It has no admin secret, so nothing works."
        : `Its admin secret has fewer than ${MIN_SECRET} characters, so nothing works.`,
    fix:
      env.SELF_HOSTED === "1"
        ? "Start it with `sallyport serve --data DIR`, which makes one in DIR/admin-secret."
        : "Make one with `openssl rand -base64 32`, set it with `npx wrangler secret put ADMIN_SECRET`, then `sallyport login URL`.",
  };
}

/** Makes the answer to every request while the edge is not set up: a page for browsers, a problem for programs. */
export function setupAnswer(request: Request, problem: Problem): Response {
  if (!(request.headers.get("accept") ?? "").includes("text/html")) return problemResponse(problem);
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sallyport: not set up yet</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto; padding: 0 1rem; color-scheme: light dark }</style>
<h1>${problem.title}</h1>
<p>${problem.detail}</p>
<p>${(problem.fix ?? "").replace(/`([^`]*)`/g, "<code>$1</code>")}</p>
</html>
`;
  return new Response(page, {
    status: problem.status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    },
  });
}
