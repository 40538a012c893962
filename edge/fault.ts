/** Writes a fault of our own to the log: workerd says nothing of what WebSocket handlers and timers throw (seen 2026-11-22). */
export function logFault(where: string, error: unknown): void {
  console.error(`${where} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}
