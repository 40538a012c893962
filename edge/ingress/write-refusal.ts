import type { Failure } from "../../shared/wire/errors.ts";
import type { Env } from "../env.ts";
import { registryOf } from "../registry/stub.ts";
import type { ConnectionRecord, Route } from "../registry/types.ts";
import { Refusals } from "./refusals.ts";

/** The refusals of this isolate. */
const refusals = new Refusals();

/** Records a visitor that this isolate refused. `route` is null if nothing is mapped. */
export async function writeRefusal(
  env: Env,
  route: Pick<Route, "site" | "mapping"> | null,
  visit: Pick<ConnectionRecord, "at" | "visitor" | "endpoint">,
  { code, reason }: Failure,
): Promise<void> {
  const record: ConnectionRecord = {
    ...visit,
    ended: Date.now(),
    site: route?.site ?? "",
    mapping: route?.mapping.id ?? null,
    target: route?.mapping.target ?? "",
    bytesIn: 0,
    bytesOut: 0,
    outcome: "refused",
    code,
    reason,
  };
  await refusals.add(record, (records) => registryOf(env).record(records));
}
