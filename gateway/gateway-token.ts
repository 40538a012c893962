import type { GatewayClaims } from "../shared/rule/claims.ts";
import type { Log } from "../link/log.ts";
import { keepToken, newestToken } from "../link/token-store.ts";
import { claimsOf } from "./caller-token.ts";

/** The present token of a gateway, which a renewal replaces. */
export class GatewayToken {
  readonly #file: string | null;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Log;
  #token: string;
  #claims: GatewayClaims;

  /** `file` is where `token` came from; null if it came otherwise. Throws Problem if it is not a gateway's token. */
  constructor(token: string, file: string | null, env: NodeJS.ProcessEnv, log: Log) {
    this.#token = newestToken("gateway", token, env);
    this.#claims = claimsOf("gateway", this.#token);
    this.#file = file;
    this.#env = env;
    this.#log = log;
  }

  readonly token = (): string => this.#token;

  readonly claims = (): GatewayClaims => this.#claims;

  /** Uses a renewed token from now on, and stores it for the next start. */
  readonly keep = (token: string, claims: GatewayClaims): void => {
    this.#token = token;
    this.#claims = claims;
    const kept = keepToken(token, claims.sub, this.#file, this.#env);
    const fields = { jti: claims.jti, expires: new Date(claims.exp * 1000).toISOString() };
    if (kept.at !== "memory") this.#log("info", "token renewed", { ...fields, file: kept.path });
    else
      this.#log("warn", "token renewed, but it can't be stored: give the gateway a token file", {
        ...fields,
        reason: kept.reason,
      });
  };
}
