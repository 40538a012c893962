import { join } from "node:path";
import { ROOT } from "../../scripts/tool.ts";
import { isInstalled } from "../adapters/program.ts";
import { execute, run } from "../../test/support/run.ts";

/** A network of its own behind a wire that is long, for the kernel as for us. Addresses of the range for benchmarks (RFC 2544). */
export interface Wire {
  /** Our end of it. */
  readonly near: string;
  /** The other network's. */
  readonly far: string;
  /** Words before a command that make it run there. */
  readonly within: readonly string[];
}

const [NEAR, FAR] = ["198.18.77.1", "198.18.77.2"];
const DEVICE = "spbench0";

/**
 * Makes a TUN device of this name that takes packets as large as a network card does, adds its file descriptor to the words
 * that follow, and becomes that command. In Perl, which every Debian has: Node has no `ioctl`.
 */
const OPEN = `
my ($name, @rest) = @ARGV;
$^F = 255;
my ($TUNSETIFF, $TUNSETOFFLOAD, $TUN_NO_PI_VNET_HDR, $CSUM_TSO4) = (0x400454ca, 0x400454d0, 0x5001, 3);
sysopen(my $tun, "/dev/net/tun", 2) or die "/dev/net/tun: $!\\n";
ioctl($tun, $TUNSETIFF, pack("Z16 s x22", $name, $TUN_NO_PI_VNET_HDR)) or die "a TUN device: $!\\n";
ioctl($tun, $TUNSETOFFLOAD, $CSUM_TSO4) or die "a TUN device's offloads: $!\\n";
exec @rest, fileno($tun) or die "$rest[0]: $!\\n";`;

/**
 * A network namespace behind such a wire; it and the devices are gone with the programs that hold them. Two devices and a
 * process rather than veth and netem, which many kernels are built without. Throws, saying what there is no right to.
 */
export async function startWire(delay: number, rate: number, stack: AsyncDisposableStack): Promise<Wire> {
  const missing = ["unshare", "nsenter", "ip", "perl"].filter((program) => !isInstalled(program));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(", ")}`);
  const holder = stack.use(
    run("unshare", ["--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]),
  );
  await holder.until(/ready/);
  const within = ["nsenter", "--target", String(holder.pid), "--net"];
  const open = ["perl", "-e", OPEN, DEVICE];
  const carry = [process.execPath, join(ROOT, "bench/load/wire.ts"), String(delay), String(rate)];
  const [program, ...words] = [...open, ...within, ...open, ...carry];
  const wire = stack.use(run(program ?? "", words));
  await wire.until(/ready/);
  const ip = async (before: readonly string[], ...rest: readonly string[]): Promise<void> => {
    const [first, ...others] = [...before, "ip", ...rest];
    const { code, stderr } = await execute(first ?? "", others);
    if (code !== 0) throw new Error(`ip ${rest.join(" ")}: ${stderr.trim()}`);
  };
  for (const [where, mine, other] of [
    [[], NEAR, FAR],
    [within, FAR, NEAR],
  ] as const) {
    await ip(where, "address", "add", mine, "peer", other, "dev", DEVICE);
    await ip(where, "link", "set", DEVICE, "up");
  }
  return { near: NEAR, far: FAR, within };
}
