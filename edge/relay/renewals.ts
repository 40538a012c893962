import { encodeControl } from "../../shared/wire/control.ts";
import { LANE_CLOSE } from "../../shared/wire/errors.ts";
import { TYPE } from "../../shared/wire/frame.ts";
import type { Renewed } from "../registry/token-changes.ts";
import type { Lane } from "./lanes/lane.ts";
import type { Lanes } from "./lanes/lanes.ts";

export type RenewalsHost = {
  lanes: Lanes;
  /** Asks the registry for a successor of a token. */
  renew: (jti: string) => Promise<Renewed>;
  dismiss: (lane: Lane, code: number, reason: string) => void;
};

/** Renews the tokens of agents and gateways that ask for it: the registry decides, here is only carried. */
export class Renewals {
  readonly #host: RenewalsHost;
  readonly #asked = new Set<string>();

  constructor(host: RenewalsHost) {
    this.#host = host;
  }

  /** Takes a RENEW. Answers when the registry has; a token that is asked for already is not asked for twice. */
  async renew(lane: Lane): Promise<void> {
    const { jti, renewOnly } = lane.attachment;
    if (this.#asked.has(jti)) return;
    this.#asked.add(jti);
    try {
      const renewed = await this.#host.renew(jti);
      if (renewed.ok) this.#carry(jti, renewed.jti, renewed.expires);
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
      this.#asked.delete(jti);
    }
  }

  /** The lanes of the former token go on under the new one, or its end would be taken for theirs. */
  #carry(before: string, jti: string, expires: number): void {
    for (const lane of this.#host.lanes.all()) {
      const { attachment } = lane;
      if (attachment.jti === before && attachment.renewOnly !== true) lane.save({ ...attachment, jti, expires });
    }
  }
}
