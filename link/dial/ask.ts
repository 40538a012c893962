import http, { type IncomingHttpHeaders } from "node:http";
import { codeOf, DialError, parseJson, retryableFault, type RetryableFault } from "../fault.ts";
import type { Dialler } from "./dialler.ts";

export type AskOptions = {
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** Limit in bytes on the answer: a mistyped address may lead to a server that sends without end. */
  limit: number;
  /** Milliseconds from dialling to the last byte of the answer. */
  timeoutMs: number;
};

/** `body`: the answer's JSON; undefined if it is not JSON. */
export type Answered = { status: number; headers: IncomingHttpHeaders; body: unknown };

/** Asks an edge once, over a new connection. Redirects are returned, not followed. Throws DialError. */
export async function ask(dialler: Dialler, url: URL, options: AskOptions): Promise<Answered> {
  const { method = "GET", headers = {}, body = "", limit, timeoutMs } = options;
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = await dialler.connect(url, signal);
  try {
    return await new Promise((resolve, reject) => {
      const parameters = { method, path: url.pathname + url.search, headers: { host: url.host, ...headers }, signal };
      const request = http.request({ ...parameters, createConnection: () => socket }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > limit) response.destroy(new DialError(tooLarge(limit)));
        });
        response.on("end", () => {
          const { statusCode: status = 0 } = response;
          resolve({ status, headers: response.headers, body: parseJson(Buffer.concat(chunks).toString()) });
        });
      });
      request.on("error", reject);
      request.end(body);
    });
  } catch (error) {
    if (error instanceof DialError) throw error;
    const reason = signal.aborted ? `no answer in ${timeoutMs / 1000} s` : codeOf(error as Error);
    throw new DialError(retryableFault("unreachable", reason));
  } finally {
    socket.destroy();
  }
}

function tooLarge(limit: number): RetryableFault {
  const fix = "check the address; if it is the edge's, ask for less at once";
  return retryableFault("answer-too-large", `its answer is larger than ${limit} bytes`, 0, fix);
}
