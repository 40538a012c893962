/** A Worker that answers by itself: the most that this workerd can do. */
import { DurableObject } from "cloudflare:workers";

const PAGE = "x".repeat(1024);

export default { fetch: () => new Response(PAGE) };

export class Hub extends DurableObject {}
