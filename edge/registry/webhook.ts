import type { WebhookEvent } from "./webhook-events.ts";

const TIMEOUT_MS = 10_000;

/** Sends one event; returns true if the webhook accepted it. Does not log the URL, which may be a secret. */
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
    console.warn(`the webhook can't be reached: ${error instanceof Error ? error.message : String(error)}`);
  }
  return false;
}
