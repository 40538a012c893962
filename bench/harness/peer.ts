/** What is measured side by side: Sallyport, the baselines, and other tunnels. */

/** Name of a target → `host:port`. */
export type Targets = Readonly<Record<string, string>>;

/** A peer that runs: where visitors reach each target through it, and what does the work. */
export interface Served {
  readonly at: Targets;
  /** What is counted as its CPU: name → process id. */
  readonly processes: Readonly<Record<string, number>>;
}

export interface Adapter {
  readonly name: string;
  /** `mux`: a tunnel that carries many streams over few connections, as ours; other tunnels have a connection for each. */
  readonly kind: "ours" | "baseline" | "tunnel" | "mux";
  /** Its version, or null when it is not on this machine. */
  readonly version: () => Promise<string | null>;
  /** Starts it in front of these targets; what it starts lives as long as the stack. */
  readonly serve: (targets: Targets, stack: AsyncDisposableStack) => Promise<Served>;
}

export interface Peer extends Served {
  readonly name: string;
  readonly kind: Adapter["kind"];
}

/** Splits `host:port`. */
export function hostPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
