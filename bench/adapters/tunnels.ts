/** Other tunnels, measured when their programs are on PATH; started as their own documentation says, plain where plain is the default. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../test/support/net.ts";
import { run } from "../../test/support/run.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { hostPort, type Adapter, type Targets } from "../harness/peer.ts";
import { listening, versionOf } from "./program.ts";

const SECRET = "bench-secret";
const CONTROL = 7100;
const BORE_CONTROL = 7835;

/** What a tunnel needs to know: its public host, its folder, and each target with the public port it gets. */
interface Place {
  readonly host: string;
  readonly folder: string;
  readonly doors: readonly { readonly name: string; readonly target: string; readonly port: number }[];
}

interface Tunnel {
  readonly name: string;
  readonly multiplexes: boolean;
  /** The port that its server listens at, where that is not to be chosen. */
  readonly control?: number;
  readonly version: readonly [program: string, ...words: string[]];
  /** Texts of files in the folder, and the commands to run in turn: the public side first. */
  readonly files?: (place: Place) => Readonly<Record<string, string>>;
  readonly server: (place: Place) => readonly string[];
  readonly clients: (place: Place) => readonly (readonly string[])[];
}

const TUNNELS: readonly Tunnel[] = [
  {
    name: "frp",
    multiplexes: true,
    version: ["frps", "--version"],
    files: ({ host, doors }) => ({
      "frps.toml": `bindAddr = "${host}"\nproxyBindAddr = "${host}"\nbindPort = ${CONTROL}\nauth.token = "${SECRET}"\n`,
      "frpc.toml": `serverAddr = "${host}"\nserverPort = ${CONTROL}\nauth.token = "${SECRET}"\n${doors
        .map(
          ({ name, target, port }) =>
            `[[proxies]]\nname = "${name}"\ntype = "tcp"\nlocalIP = "${hostPort(target).host}"\nlocalPort = ${hostPort(target).port}\nremotePort = ${port}\n`,
        )
        .join("")}`,
    }),
    server: ({ folder }) => ["frps", "-c", join(folder, "frps.toml")],
    clients: ({ folder }) => [["frpc", "-c", join(folder, "frpc.toml")]],
  },
  {
    name: "rathole",
    multiplexes: false,
    version: ["rathole", "--version"],
    files: ({ host, doors }) => ({
      "server.toml": `[server]\nbind_addr = "${host}:${CONTROL}"\ndefault_token = "${SECRET}"\n${doors.map(({ name, port }) => `[server.services.${name}]\nbind_addr = "${host}:${port}"\n`).join("")}`,
      "client.toml": `[client]\nremote_addr = "${host}:${CONTROL}"\ndefault_token = "${SECRET}"\n${doors.map(({ name, target }) => `[client.services.${name}]\nlocal_addr = "${target}"\n`).join("")}`,
    }),
    server: ({ folder }) => ["rathole", "--server", join(folder, "server.toml")],
    clients: ({ folder }) => [["rathole", "--client", join(folder, "client.toml")]],
  },
  {
    name: "chisel",
    multiplexes: true,
    version: ["chisel", "--version"],
    server: ({ host }) => ["chisel", "server", "--host", host, "--port", String(CONTROL), "--reverse"],
    clients: ({ host, doors }) => [
      [
        "chisel",
        "client",
        `http://${host}:${CONTROL}`,
        ...doors.map(({ target, port }) => `R:${host}:${port}:${target}`),
      ],
    ],
  },
  {
    name: "wstunnel",
    multiplexes: false,
    version: ["wstunnel", "--version"],
    server: ({ host }) => ["wstunnel", "server", `ws://${host}:${CONTROL}`],
    clients: ({ host, doors }) => [
      [
        "wstunnel",
        "client",
        ...doors.flatMap(({ target, port }) => ["-R", `tcp://${host}:${port}:${target}`]),
        `ws://${host}:${CONTROL}`,
      ],
    ],
  },
  {
    name: "bore",
    multiplexes: false,
    control: BORE_CONTROL,
    version: ["bore", "--version"],
    server: ({ host, doors }) => [
      "bore",
      "server",
      "--bind-addr",
      host,
      "--bind-tunnels",
      host,
      "--min-port",
      String(Math.min(...doors.map(({ port }) => port))),
    ],
    clients: ({ host, doors }) =>
      doors.map(({ target, port }) => [
        "bore",
        "local",
        String(hostPort(target).port),
        "--local-host",
        hostPort(target).host,
        "--to",
        host,
        "--port",
        String(port),
      ]),
  },
  {
    name: "gost",
    multiplexes: true,
    version: ["gost", "-V"],
    server: ({ host }) => ["gost", "-L", `relay+ws://${host}:${CONTROL}?bind=true`],
    clients: ({ host, doors }) => [
      [
        "gost",
        ...doors.flatMap(({ target, port }) => ["-L", `rtcp://${host}:${port}/${target}`]),
        "-F",
        `relay+ws://${host}:${CONTROL}`,
      ],
    ],
  },
];

/** Each as an adapter. piko publishes endpoints to its own client only, and cloudflared only to Cloudflare: they have no public port to measure. */
export const tunnels: readonly Adapter[] = TUNNELS.map(
  ({ name, multiplexes, control, version, files, server, clients }) => ({
    name,
    kind: multiplexes ? "mux" : "tunnel",
    version: () => versionOf(...version),
    serve: async (targets: Targets, stack: AsyncDisposableStack) => {
      const folder = stack.use(await tempDir()).path;
      const doors = Object.entries(targets).map(([door, target], index) => ({
        name: door,
        target,
        port: 8000 + index,
      }));
      const place: Place = { host: loopback(), folder, doors };
      for (const [file, text] of Object.entries(files?.(place) ?? {})) await writeFile(join(folder, file), text);
      const start = ([program = "", ...words]: readonly string[]): number => stack.use(run(program, words)).pid;
      const processes: Record<string, number> = { [`${name} server`]: start(server(place)) };
      await listening(`${place.host}:${control ?? CONTROL}`);
      for (const [index, words] of clients(place).entries()) processes[`${name} client ${index}`] = start(words);
      const at = Object.fromEntries(doors.map((door) => [door.name, `${place.host}:${door.port}`]));
      await listening(at["echo"] ?? "");
      return { at, processes };
    },
  }),
);
