/** Logs an unexpected error. workerd does not log what WebSocket handlers and timers throw (seen 2026-11-22). */
export function logFault(where: string, error: unknown): void {
  console.error(`${where} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}
