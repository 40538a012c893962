import { EVERY_TARGET } from "../../shared/address/target-rule.ts";

/** Words for `token agent`: tests have their targets on this machine's loopback, which a token has to name. */
export const ANYWHERE = EVERY_TARGET.flatMap((target) => ["--target", target]);
