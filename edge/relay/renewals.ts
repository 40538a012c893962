import { encodeControl } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import type { Renewed } from "../registry/token-changes.ts";
import type { Lane } from "./lanes/lane.ts";
import type { Lanes } from "./lanes/lanes.ts";

export type RenewalsHost = {
  lanes: Lanes;
  /** Asks the registry for the successor of a token. */
  renew: (jti: string) => Promise<Renewed>;
  dismiss: (lane: Lane, code: number, reason: string) => void;
};

/** Passes requests of agents and gateways for a new token on to the registry, which decides. */
export class Renewals {
  readonly #host: RenewalsHost;
  readonly #pending = new Set<string>();

  constructor(host: RenewalsHost) {
    this.#host = host;
  }

  /** Takes a RENEW, and answers it on the lane when the registry has decided. Ignored while the same token is being renewed. */
  async renew(lane: Lane): Promise<void> {
    const { jti, renewOnly } = lane.attachment;
    if (this.#pending.has(jti)) return;
    this.#pending.add(jti);
    try {
      const renewed = await this.#host.renew(jti);
      if (renewed.ok) this.#replace(jti, renewed.jti, renewed.expires);
      lane.send(
        encodeControl(
          TYPE.RENEW,
          renewed.ok ? { token: renewed.token } : { code: renewed.code, reason: renewed.reason },
        ),
      );
      if (renewOnly !== true) return;
      if (renewed.ok) this.#host.dismiss(lane, LANE_CLOSE.draining, "the token is renewed: dial again with it");
      else this.#host.dismiss(lane, LANE_CLOSE.token, renewed.reason);
    } catch {
      lane.send(encodeControl(TYPE.RENEW, { code: "busy", reason: "the edge can't renew it now" }));
      if (renewOnly === true) this.#host.dismiss(lane, LANE_CLOSE.busy, "the edge can't renew the token now");
    } finally {
      this.#pending.delete(jti);
    }
  }

  /** Moves the lanes of the former token to the new one; otherwise they would be closed when the former one ends. */
  #replace(before: string, jti: string, expires: number): void {
    for (const lane of this.#host.lanes.all()) {
      const { attachment } = lane;
      if (attachment.jti === before && attachment.renewOnly !== true) lane.save({ ...attachment, jti, expires });
    }
  }
}
