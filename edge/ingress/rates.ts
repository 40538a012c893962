import { Rates } from "../relay/site/rates.ts";

/** What each source has opened through this isolate: it may only refuse earlier than the relay, which counts them all. */
export const rates = new Rates();
