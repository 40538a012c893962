import type { TestContext } from "vitest";
import { entering, ip, namespaces, type Machine } from "../namespaces.ts";
import { run } from "../run.ts";

/** Machines on the internet, each on a network of its own. */
const PLACES = ["edge", "agent", "client", "gateway", "visitor"] as const;
type Place = (typeof PLACES)[number];

/** Machines that keep lanes to the edge. */
export const ENDS = ["agent", "client", "gateway"] as const;
export type End = (typeof ENDS)[number];

/** Directions as an end sees them: from it to the edge, to it from the edge. */
export type Way = "from" | "to" | "both";

/** The port of the edge that lanes go to. */
export const EDGE_PORT = 8787;

const ROUTER = "router";
const LAN_PREFIX = "192.168.77";
const LINK = "net0";

/** What a lane of an end is to the kernel: the end's port of its TCP connection. */
export type LanePort = number;

/**
 * An internet of its own: machines on networks of their own with a router between them, and a LAN behind the agent to which no
 * other machine has a route. All networks have the same addresses, so that what one edge has issued is good on each. Paths between an end and the
 * edge can be darkened, addresses change, links go down.
 */
export class Network implements AsyncDisposable {
  readonly #names: Readonly<Record<Place | "lan" | typeof ROUTER, string>>;
  readonly #stack: AsyncDisposableStack;

  constructor(names: Readonly<Record<Place | "lan" | typeof ROUTER, string>>, stack: AsyncDisposableStack) {
    this.#names = names;
    this.#stack = stack;
  }

  /** Where visitors find a machine of the internet: an address that stays when it moves. */
  publicAddress(place: Place): string {
    return `${networkOf(place)}.100`;
  }

  machine(place: Place | "lan"): Machine {
    const address = place === "lan" ? `${LAN_PREFIX}.2` : addressOf(place);
    return { address, enter: entering(this.#names[place]) };
  }

  /**
   * Ports of the TCP connections that an end holds to the edge now, the oldest first: lane 0 is dialled first, then 1, then 2,
   * and Linux goes upward from port to port for one destination.
   */
  async lanes(end: End): Promise<LanePort[]> {
    const ss = ["ss", "-Htn", "state", "established", "dport", "=", `:${EDGE_PORT}`];
    const listed = await command([...entering(this.#names[end]), ...ss]);
    return [...listed.matchAll(/:(\d+) +\S+:\d+/g)].map(([, port]) => Number(port)).sort((a, b) => a - b);
  }

  /**
   * Drops what an end and the edge send each other, on the whole path or only on these connections of the end's; neither side is told.
   * Fulfilled with what makes it bright again.
   */
  async darken(end: End, way: Way, ports?: readonly LanePort[]): Promise<() => Promise<void>> {
    if (ports?.length === 0) return () => Promise.resolve();
    const only = (which: "sport" | "dport"): string =>
      ports === undefined ? "" : `tcp ${which} { ${ports.join(", ")} }`;
    const rules = {
      from: `iifname "${end}" oifname "edge" ${only("sport")} drop`,
      to: `iifname "edge" oifname "${end}" ${only("dport")} drop`,
    };
    const wanted = way === "both" ? [rules.from, rules.to] : [rules[way]];
    const handles: string[] = [];
    for (const rule of wanted) handles.push(await this.#rule(rule));
    return async () => {
      for (const handle of handles) await this.#nft(`delete rule inet chaos forward handle ${handle}`);
    };
  }

  /** Ends connections of an end's in the kernel of one side, whose program gets an error; the other side gets a reset, if the path lets it through. */
  async reset(end: End, ports: readonly LanePort[], side: "end" | "edge"): Promise<void> {
    for (const port of ports) {
      const which = side === "end" ? ["sport", "=", `:${port}`] : ["dst", addressOf(end), "dport", "=", `:${port}`];
      await command([...entering(this.#names[side === "end" ? end : "edge"]), "ss", "-K", "-t", ...which]);
    }
  }

  /** Gives an end another address: what came from the former one is heard of no more, in either direction. */
  async move(end: End): Promise<void> {
    const name = this.#names[end];
    const [, former = "", last = ""] =
      /(\S+\.(\d+))\/24/.exec(await ip("-n", name, "address", "show", "dev", LINK)) ?? [];
    const next = `${networkOf(end)}.${Number(last) + 1}`;
    await ip("-n", name, "address", "delete", `${former}/24`, "dev", LINK);
    await ip("-n", name, "address", "add", `${next}/24`, "dev", LINK);
    await ip("-n", name, "route", "add", "default", "via", `${networkOf(end)}.1`);
  }

  /** Pulls an end's cable. Fulfilled with what puts it in again. */
  async unplug(end: End): Promise<() => Promise<void>> {
    await ip("-n", this.#names.router, "link", "set", end, "down");
    return async () => void (await ip("-n", this.#names.router, "link", "set", end, "up"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #rule(rule: string): Promise<string> {
    const said = await this.#nft(`add rule inet chaos forward ${rule}`, "--echo", "--handle");
    const [, handle] = /# handle (\d+)/.exec(said) ?? [];
    if (handle === undefined) throw new Error(`nft named no handle: ${said}`);
    return handle;
  }

  #nft(script: string, ...options: readonly string[]): Promise<string> {
    return command([...entering(this.#names.router), "nft", ...options, "--file", "-"], `${script}\n`);
  }

  /** Makes links, addresses and the table of faults. */
  async build(): Promise<void> {
    const names = this.#names;
    for (const place of PLACES) {
      await wire({ name: names[place], link: LINK }, { name: names.router, link: place }, networkOf(place));
      await ip("-n", names[place], "route", "add", "default", "via", `${networkOf(place)}.1`);
      await ip("-n", names[place], "address", "add", `${this.publicAddress(place)}/32`, "dev", "lo");
    }
    // The agent is .1 there; the LAN needs no way out.
    await wire({ name: names.lan, link: LINK }, { name: names.agent, link: "lan" }, LAN_PREFIX);
    await command([...entering(names.router), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    await this.#nft(
      "table inet chaos {\n chain forward {\n type filter hook forward priority 0\n policy accept\n }\n}",
    );
  }
}

/** Builds such an internet. Needs root and the packages iproute2 and nftables; skips the test, saying so, where there is no right to it. */
export async function network(context: TestContext): Promise<Network> {
  await using spaces = await namespaces(context, ROUTER, ...PLACES, "lan");
  const built = new Network(spaces.names, new AsyncDisposableStack());
  await built.build();
  return new Network(spaces.names, spaces.move());
}

/** A cable between two namespaces: the first is .2 of the network, the second .1. */
async function wire(
  one: { name: string; link: string },
  two: { name: string; link: string },
  prefix: string,
): Promise<void> {
  await ip("link", "add", one.link, "netns", one.name, "type", "veth", "peer", "name", two.link, "netns", two.name);
  for (const [{ name, link }, last] of [
    [one, 2],
    [two, 1],
  ] as const) {
    await ip("-n", name, "address", "add", `${prefix}.${last}/24`, "dev", link);
    await ip("-n", name, "link", "set", link, "up");
  }
}

function networkOf(place: Place): string {
  return `10.78.${PLACES.indexOf(place) + 1}`;
}

function addressOf(place: Place): string {
  return `${networkOf(place)}.2`;
}

/** Standard output of a command that succeeds. Throws what it says when it fails. */
async function command([program = "", ...words]: readonly string[], input = ""): Promise<string> {
  await using child = run(program, words, { input });
  const { code, stdout, stderr } = await child.ended;
  if (code !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}
