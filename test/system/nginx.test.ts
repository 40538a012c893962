import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { digest, noise, type Digest } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { nginx } from "../support/nginx.ts";
import { published } from "../support/published.ts";

const MIB = 1024 * 1024;

async function download(url: string): Promise<Digest> {
  const request = get(url, { agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  return await digest(response);
}

test("a GiB from nginx arrives unchanged through a mapped port", async (context) => {
  await needs(context, "nginx-light");
  await using server = await nginx({ big: 1024 * MIB });
  await using edge = await published({ 8090: server.address });
  expect(await download(`http://${edge.host}:8090/big`)).toEqual(await digest(noise(1024 * MIB)));
});

test("fifty downloads at once all arrive unchanged", async (context) => {
  await needs(context, "nginx-light");
  await using server = await nginx({ some: 8 * MIB });
  await using edge = await published({ 8090: server.address });
  const downloads = Array.from({ length: 50 }, () => download(`http://${edge.host}:8090/some`));
  const expected = await digest(noise(8 * MIB));
  expect(await Promise.all(downloads)).toEqual(Array.from({ length: 50 }, () => expected));
});
