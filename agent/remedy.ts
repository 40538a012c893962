/** Returns what to do about a target that can't be dialled; "" if nothing is known to help. */
export function remedyOf(code: string): string {
  switch (code) {
    case "target-refused":
      return "start the service there, or correct the port";
    case "target-timeout":
    case "target-unreachable":
      return "check that the device is on, and the network between it and the agent";
    case "target-unresolved":
      return "use its address, or a name that the agent's network knows";
    case "target-denied":
      return "widen the agent's --allow, or give it a token with wider --target";
    default:
      return "";
  }
}
