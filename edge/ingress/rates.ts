import { Rates } from "../relay/site/rates.ts";

/** What each source has opened through this isolate. It only refuses early; the relay counts what all isolates pass. */
export const rates = new Rates();
