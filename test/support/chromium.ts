import { chromium as driver, type BrowserContext } from "playwright-core";
import { tempDir } from "./temp-dir.ts";

/** Where Debian's package has it; nothing is downloaded. */
const EXECUTABLE = "/usr/bin/chromium";

export interface Chromium extends AsyncDisposable {
  /** Where pages are opened; cookies are of this browser alone. */
  readonly context: BrowserContext;
}

/**
 * Debian's Chromium, headless, gone with the scope. Names of `hosts` are looked up there instead of in DNS: `shop.test` → address.
 * Ask for the package with `needs(context, "chromium")` first.
 */
export async function chromium(hosts: Readonly<Record<string, string>> = {}): Promise<Chromium> {
  await using stack = new AsyncDisposableStack();
  const profile = stack.use(await tempDir());
  const rules = Object.entries(hosts).map(([name, address]) => `MAP ${name} ${address}`);
  const context = await driver.launchPersistentContext(profile.path, {
    executablePath: EXECUTABLE,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--host-resolver-rules=${rules.join(",")}`],
  });
  stack.defer(() => context.close());
  const owned = stack.move();
  return { context, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
