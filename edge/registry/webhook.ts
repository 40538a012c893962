import type { WebhookEvent } from "./webhook-events.ts";

const TIMEOUT_MS = 10_000;

/** Sends one event; answers whether it was taken. Where it goes may be a secret, so it is not logged. */
export async function sendWebhook(url: string, event: WebhookEvent): Promise<boolean> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "sallyport" },
      body: JSON.stringify(event),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return true;
    console.warn(`the webhook answered ${response.status} to ${event.event}`);
  } catch (error) {
    console.warn(`the webhook could not be reached: ${error instanceof Error ? error.message : String(error)}`);
  }
  return false;
}
