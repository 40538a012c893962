import { readWholeBody } from "../shared/whole-body.ts";

/** An answer's JSON, or why it could not be read. */
export type Answer = { ok: true; json: unknown } | { ok: false; why: "too-large" | "broken-off" | "not-json" };

/**
 * Reads an answer of at most `limit` bytes as JSON. A mistyped address may lead to a server that sends without end: the request's
 * own signal limits the time, this the bytes.
 */
export async function jsonOf(response: Response, limit: number): Promise<Answer> {
  const body = await readWholeBody(response.body, limit);
  if (!body.ok) return { ok: false, why: body.why === "too-large" ? "too-large" : "broken-off" };
  try {
    return { ok: true, json: JSON.parse(new TextDecoder().decode(body.bytes)) };
  } catch {
    return { ok: false, why: "not-json" };
  }
}
