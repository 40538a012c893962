import type { TestSite } from "./site.ts";
import { loopback } from "./net.ts";
import { testSite } from "./site.ts";

export type Public = { site: TestSite; host: string } & AsyncDisposable;

/** A site whose mappings (endpoint → target) a gateway owns, on an address that no other test has. */
export async function publicSite(mappings: Readonly<Record<string, string>>): Promise<Public> {
  const site = await testSite();
  try {
    const host = loopback();
    const token = await site.token("gateway");
    for (const [endpoint, target] of Object.entries(mappings)) await site.map(endpoint, target);
    const gateway = await site.gateway(token, "--bind", host);
    for (const endpoint of Object.keys(mappings)) {
      const last = endpoint.replace(/^(?:\d+-)?(\d+)\/(?:tcp\+)?/, "$1\\/");
      await gateway.until(new RegExp(`"msg":"listening","endpoint":"${last}"`));
    }
    return { site, host, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
  } catch (error) {
    await site[Symbol.asyncDispose]();
    throw error;
  }
}
