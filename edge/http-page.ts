/** Makes a small page: no scripts, nothing loaded, no frames around it. `title` is escaped, `body` is HTML. */
export function page(title: string, body: string, init: { status: number; headers: Headers }): Response {
  const { headers } = init;
  headers.set("content-type", "text/html; charset=utf-8");
  headers.set(
    "content-security-policy",
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  return new Response(
    `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
  :root { color-scheme: light dark }
  body { font: 17px/1.5 system-ui, sans-serif; max-width: 34em; margin: 14vh auto; padding: 0 1.2em }
  h1 { font-size: 1.5em; font-weight: 600 }
  .id { opacity: .6; font-size: .8em }
  input, button { font: inherit; padding: .5em .7em; width: 100%; box-sizing: border-box; margin: .3em 0 }
</style>
<h1>${escapeHtml(title)}</h1>
${body}
</html>
`,
    init,
  );
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Tells whether an Accept header is a browser's: it names text/html, while programs accept anything. */
export function prefersHtml(accept: string): boolean {
  return /\btext\/html\b/.test(accept);
}
