import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { certificateOf } from "../../agent/probe/certificate.ts";
import { connectTo, secure } from "../../agent/probe/connect.ts";
import { parseAddress } from "../../shared/address/address.ts";
import { unwrap } from "../../shared/result.ts";
import { authority } from "../support/certificates.ts";
import { loopback } from "../support/net.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a target's certificate for its address is good with its authority, and told with its issuer without", async () => {
  await using folder = await tempDir();
  const root = await authority(folder.path, "/O=Acme/CN=Acme Root");
  const host = loopback();
  const { cert, key } = await root.issue(host);
  const server = createServer({ cert: await readFile(cert), key: await readFile(key) }).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ca = await readFile(root.file, "utf8");
  const troubleWith = async (trusted: string | undefined, name: string): Promise<string | undefined> => {
    const socket = await secure(await connectTo([unwrap(parseAddress(host))], port), name, trusted);
    const found = certificateOf(socket, name);
    socket.destroy();
    return found?.trouble;
  };
  expect(await troubleWith(ca, host)).toBe("");
  expect(await troubleWith(undefined, host)).toMatch(/^its certificate is issued by "Acme Root" of "Acme", which/);
  expect(await troubleWith(ca, "other.test")).toBe(`its certificate is for ${host}, not for other.test`);
  server.close();
});
