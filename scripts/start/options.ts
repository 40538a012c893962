import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parsePort } from "../../shared/address/ports.ts";
import { splitHostPort } from "../../shared/address/socket-address.ts";
import { formatTarget, parseTarget, type PortTarget } from "../../shared/address/target.ts";
import { ROOT } from "../tool.ts";
import { STAND_INS } from "./stand-ins.ts";

/** A public port and the private server behind it. */
export interface Pair {
  readonly port: number;
  readonly target: PortTarget;
}

export interface Options {
  readonly pairs: readonly Pair[];
  /** The edge's HTTP address, host:port. */
  readonly listen: string;
  /** The address that public ports are opened on. */
  readonly bind: string;
  /** Folder for everything that is kept. */
  readonly data: string;
}

export const USAGE = `npm start -- [--map PUBLIC=HOST:PORT]… [--bind ADDRESS] [--listen HOST:PORT] [--data DIR]

  --map PUBLIC=HOST:PORT  map this public port to that private server; without any, to three stand-ins on this machine
  --bind ADDRESS          open public ports on this address; default 127.0.0.1: this machine alone; 0.0.0.0: all
  --listen HOST:PORT      the edge's own HTTP address; default 127.0.0.1:8787
  --data DIR              where everything is kept; default .sallyport`;

/** Arguments of `npm start -- …`; undefined when only help was asked for. Throws with a sentence for people. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      map: { type: "string", multiple: true },
      bind: { type: "string", default: "127.0.0.1" },
      listen: { type: "string", default: "127.0.0.1:8787" },
      data: { type: "string", default: join(ROOT, ".sallyport") },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return undefined;
  if (splitHostPort(values.listen)?.port === undefined) throw new Error(`--listen ${values.listen} is not HOST:PORT`);
  const pairs = (values.map ?? STAND_INS.map((standIn) => `${standIn.port}=${standIn.host}:${standIn.port}`)).map(
    parsePair,
  );
  return { pairs, listen: values.listen, bind: values.bind, data: resolve(values.data) };
}

function parsePair(text: string): Pair {
  const [left = "", ...right] = text.split("=");
  const port = parsePort(left);
  if (!port.ok)
    throw new Error(`--map ${text}: ${port.error.message} Write PUBLIC=HOST:PORT, as in 8090=192.168.2.102:8090.`);
  const target = parseTarget(right.join("="));
  if (!target.ok) throw new Error(`--map ${text}: ${target.error.message} ${target.error.fix ?? ""}`);
  if (target.value.kind === "port" && target.value.first === target.value.last) {
    return { port: port.value, target: target.value };
  }
  throw new Error(`--map ${text}: ${formatTarget(target.value)} is not one HOST:PORT.`);
}
