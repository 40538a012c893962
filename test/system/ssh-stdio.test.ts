import { expect, test } from "vitest";
import { SALLYPORT, SYSTEM_NODE } from "../../scripts/tool.ts";
import { sha256 } from "../support/bytes.ts";
import { needs } from "../support/debian.ts";
import { execute } from "../support/run.ts";
import { testSite } from "../support/site.ts";
import { sshd } from "../support/sshd.ts";

test("ssh through ProxyCommand: all of the input, all of the output, the exit code", async (context) => {
  await needs(context, "openssh-server", "openssh-client");
  await using server = await sshd();
  await using site = await testSite();
  await site.map("lab/ssh", server.address);
  const token = await site.token("visitor", "--endpoint", "lab/ssh");
  const proxy = `${SYSTEM_NODE} ${SALLYPORT} connect lab/ssh --stdio --token-file ${token}`;
  const input = "0123456789abcde\n".repeat(500_000);
  const words = ["-o", `ProxyCommand=${proxy}`, ...server.client("lab", 22), "cat; exit 7"];
  const { code, stdout, stderr } = await execute("ssh", words, { input });
  expect({ code, stderr }).toEqual({ code: 7, stderr: "" });
  expect(sha256(stdout)).toBe(sha256(input));
});
