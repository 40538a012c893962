import { expect, test } from "vitest";
import { CAMERA, CAMERA_PACKAGES } from "../support/camera.ts";
import { needs } from "../support/debian.ts";
import { publicSite } from "../support/gateway-site.ts";
import { loopback } from "../support/net.ts";
import { execute, run } from "../support/run.ts";

test("a viewer pulls H.264 from a camera by RTSP over TCP, and no frame is missing", async (context) => {
  await needs(context, ...CAMERA_PACKAGES);
  const target = loopback();
  await using camera = run("/usr/bin/python3", ["-c", CAMERA, target]);
  await camera.until(/camera ready/);
  await using edge = await publicSite({ "8554/tcp": `${target}:8554` });
  const url = `rtsp://${edge.host}:8554/cam`;
  const words = [
    "-hide_banner",
    "-nostdin",
    "-rtsp_transport",
    "tcp",
    "-i",
    url,
    "-frames:v",
    "100",
    "-f",
    "null",
    "-",
  ];
  const { code, stderr } = await execute("ffmpeg", words);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/frame= *100/) });
  expect(stderr).not.toMatch(/missed|error while decoding|concealing/i);
});

test("iperf3's TCP and UDP on one port number: all datagrams arrive, both ways", async (context) => {
  await needs(context, "iperf3");
  const target = loopback();
  await using server = run("iperf3", ["-s", "-B", target, "-p", "5201", "--forceflush"]);
  await server.until(/Server listening/);
  await using edge = await publicSite({ "5201/tcp+udp": `${target}:5201` });
  for (const way of [[], ["-R"]]) {
    const { stdout, stderr } = await execute("iperf3", [
      "-c",
      edge.host,
      "-p",
      "5201",
      "-u",
      "-b",
      "1M",
      "-l",
      "172",
      "-t",
      "3",
      "-J",
      ...way,
    ]);
    const { end } = JSON.parse(stdout) as { end: { sum: { packets: number; lost_packets: number } } };
    expect({ way, stderr }).toEqual({ way, stderr: "" });
    expect(end.sum.packets).toBeGreaterThan(1_000);
    // A starved agent drops what is too late, on purpose: one stall of 100 ms is 3 % of these.
    expect(end.sum.lost_packets / end.sum.packets).toBeLessThan(0.05);
  }
});
