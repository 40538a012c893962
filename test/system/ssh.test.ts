import { expect, test } from "vitest";
import { sha256 } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { published } from "../support/published.ts";
import { execute, run } from "../support/run.ts";
import { sshd } from "../support/sshd.ts";

test("a shell through a mapped port answers line by line", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using edge = await published({ 2022: server.address });
  await using shell = run("ssh", ["-tt", ...server.client(edge.host, 2022)], { interactive: true });
  shell.type("echo $((6 * 7)) is the answer\n");
  await shell.until(/^42 is the answer/m);
  shell.type("exit 3\n");
  expect((await shell.ended).code).toBe(3);
});

test("commands get all of their input and return all of their output and their exit code", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using edge = await published({ 2022: server.address });
  const input = "0123456789abcde\n".repeat(1_000_000);
  const { code, stdout } = await execute("ssh", [...server.client(edge.host, 2022), "cat; exit 7"], { input });
  expect(code).toBe(7);
  expect(sha256(stdout)).toBe(sha256(input));
});
