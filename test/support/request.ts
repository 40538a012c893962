import { request } from "node:http";
import { text } from "node:stream/consumers";

/** An HTTP request from an address of one's own, which `fetch` can't choose. */
export async function requestFrom(
  from: string,
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    headers: NodeJS.Dict<string | string[]>;
    body: string;
  }>();
  const sent = request(url, { method, headers, localAddress: from, agent: false }, (response) => {
    text(response).then(
      (answer) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer }),
      reject,
    );
  });
  sent.on("error", reject).end(body);
  return promise;
}
