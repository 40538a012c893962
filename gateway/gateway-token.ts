import type { GatewayClaims } from "../shared/rule/claims.ts";
import type { Log } from "../link/log.ts";
import { keepToken, newestToken } from "../link/token-store.ts";
import { claimsOf } from "./caller-token.ts";

/** A gateway's token, which is another one after it was renewed. */
export class GatewayToken {
  readonly #file: string | null;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Log;
  #token: string;
  #claims: GatewayClaims;

  /** `file` is where `token` came from; null when it came otherwise. Throws Problem when it is no gateway's token. */
  constructor(token: string, file: string | null, env: NodeJS.ProcessEnv, log: Log) {
    this.#token = newestToken("gateway", token, env);
    this.#claims = claimsOf("gateway", this.#token);
    this.#file = file;
    this.#env = env;
    this.#log = log;
  }

  readonly token = (): string => this.#token;

  readonly claims = (): GatewayClaims => this.#claims;

  /** Takes a renewed token into use, and keeps it for the next start. */
  readonly keep = (token: string, claims: GatewayClaims): void => {
    this.#token = token;
    this.#claims = claims;
    const kept = keepToken(token, claims.sub, this.#file, this.#env);
    const fields = { jti: claims.jti, expires: new Date(claims.exp * 1000).toISOString() };
    if (kept.at !== "memory") this.#log("info", "token renewed", { ...fields, file: kept.path });
    else
      this.#log("warn", "token renewed, but it can't be kept: give the gateway a token file", {
        ...fields,
        reason: kept.reason,
      });
  };
}
