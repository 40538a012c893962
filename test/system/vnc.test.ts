import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { needs } from "../support/debian.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";
import { testSite } from "../support/site.ts";

/** As noVNC: RFB 3.8 (RFC 6143) in binary WebSocket messages, up to one whole raw picture. */
const VIEWER = `
import struct, sys, websocket
url, token = sys.argv[1], sys.argv[2]
ws = websocket.create_connection(url, header=["Authorization: Bearer " + token], subprotocols=["binary"], timeout=120)
assert ws.getsubprotocol() == "binary"
buffer = b""
def take(count):
    global buffer
    while len(buffer) < count: buffer += ws.recv()
    taken, buffer = buffer[:count], buffer[count:]
    return taken
def say(text): ws.send_binary(text)
assert take(12) == b"RFB 003.008\\n"; say(b"RFB 003.008\\n")
assert 1 in take(take(1)[0]); say(b"\\x01")
assert struct.unpack(">I", take(4))[0] == 0; say(b"\\x01")
width, height = struct.unpack(">HH", take(4)); take(16)
name = take(struct.unpack(">I", take(4))[0]).decode()
say(struct.pack(">BBHi", 2, 0, 1, 0))
say(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
missing = width * height
while missing > 0:
    kind = take(1)[0]
    if kind != 0: take(1); continue
    take(1)
    for _ in range(struct.unpack(">H", take(2))[0]):
        x, y, w, h, encoding = struct.unpack(">HHHHi", take(12))
        assert encoding == 0
        take(w * h * 4); missing -= w * h
print(name, width, height)
ws.close()
`;

test("a VNC viewer in WebSockets gets a whole picture, as noVNC asks for it", async (context) => {
  await needs(context, "tigervnc-standalone-server", "python3-websocket");
  const target = loopback();
  const display = 40 + (process.pid % 50);
  await using server = run("/usr/bin/Xtigervnc", [
    `:${display}`,
    "-interface",
    target,
    "-rfbport",
    "5900",
    "-SecurityTypes",
    "None",
    "-geometry",
    "800x600",
    "-depth",
    "24",
    "-desktop",
    "workshop",
  ]);
  await server.until(/Listening for VNC connections/);
  await using site = await testSite();
  await site.map("lab/vnc", `${target}:5900`);
  const token = await readFile(await site.token("visitor", "--endpoint", "lab/vnc"), "utf8");
  const url = `${site.edge.url.replace("http", "ws")}/.sallyport/tcp/lab/vnc`;
  const seen = await execute("/usr/bin/python3", ["-c", VIEWER, url, token]);
  expect(seen).toMatchObject({ code: 0, stdout: "workshop 800 600\n", stderr: "" });
});
