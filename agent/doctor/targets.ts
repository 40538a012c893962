import { EXIT } from "../../link/problem.ts";
import { formatHostPort } from "../../shared/address/socket-address.ts";
import { parseTarget, type Target } from "../../shared/address/target.ts";
import { parseNetworkRule } from "../../shared/address/target-rule.ts";
import { dial, dialPath } from "../egress/dial.ts";
import { judge, mayConnect, type TargetPolicy } from "../policy.ts";
import { remedyOf } from "../remedy.ts";
import { fail, ok, skipped, type Finding } from "./finding.ts";

/** The most ports of one host in a token that are tried one by one. */
const MAX_PORTS = 16;

/** Lists the targets that a token names one by one: single addresses with few ports. */
export function namedTargets(rules: readonly string[]): string[] {
  return rules.flatMap((text) => {
    const rule = parseNetworkRule(text);
    if (!rule.ok || !/\/(?:32|128)$|^[^/]+$/.test(rule.value.cidr.text)) return [];
    const ports = rule.value.ports.flatMap(({ first, last }) =>
      last - first >= MAX_PORTS ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index),
    );
    if (ports.length > MAX_PORTS) return [];
    return ports.map((port) => formatHostPort(rule.value.cidr.text.replace(/\/\d+$/, ""), port));
  });
}

/** Tries a target as a stream would: judges it by token and rules, connects, and hangs up. */
export async function checkTarget(text: string, policy: TargetPolicy): Promise<Finding> {
  const name = `target ${text}`;
  const target = parseTarget(text);
  if (!target.ok) return fail(name, EXIT.usage, target.error.message, target.error.fix ?? "write HOST:PORT");
  const began = performance.now();
  const signal = AbortSignal.timeout(15_000);
  const dialled = await reach(target.value, policy, signal);
  if (dialled === "denied")
    return fail(name, EXIT.denied, `${text} is not in the agent's --allow`, `add --allow ${text}`);
  if (dialled === "range") return skipped(name, "ranges of ports are not tried");
  if (!dialled.ok) {
    const { code, reason } = dialled.failure;
    return fail(name, code === "target-denied" ? EXIT.denied : EXIT.notReady, reason, remedyOf(code));
  }
  dialled.socket.destroy();
  return ok(name, `answers in ${(performance.now() - began).toFixed(0)} ms`);
}

async function reach(target: Target, policy: TargetPolicy, signal: AbortSignal) {
  const nothing = (): boolean => true;
  switch (target.kind) {
    case "unix":
    case "http+unix":
      return mayConnect(policy, target.path) ? dialPath(target.path, nothing, signal) : "denied";
    case "port": {
      if (target.first !== target.last) return "range";
      const judged = await judge(policy, target.host, target.first);
      return judged.ok ? dial(judged.addresses, target.first, nothing, signal) : judged;
    }
    case "http": {
      const judged = await judge(policy, target.host, target.port);
      return judged.ok ? dial(judged.addresses, target.port, nothing, signal) : judged;
    }
  }
}
