import { expect, test } from "vitest";
import { setupAnswer, setupProblem } from "../../edge/api/setup.ts";
import { LoginPenalties } from "../../edge/registry/login-penalties.ts";
import { servingProblem } from "../../edge/registry/platform.ts";
import { isSameSecret } from "../../edge/registry/secret.ts";
import { parseRule } from "../../shared/rule/mapping.ts";
import { good } from "./parsed.ts";

const URLS = ["https://edge.example"];
const SELF_HOSTED = { SELF_HOSTED: "1", TCP_PORTS: "8080,8090-8099", SERVE_HINT: "sallyport serve --data edge" };

test.each<[string, string, object, string | undefined]>([
  ["8080/tcp", "10.0.0.1:80", {}, undefined],
  ["8090-8099/tcp", "10.0.0.1:8090", {}, undefined],
  ["8099-8100/tcp", "10.0.0.1:8090", {}, "port-unheld"],
  ["9000/tcp", "10.0.0.1:80", {}, "port-unheld"],
  ["9000/tcp", "10.0.0.1:80", { access: "token" }, undefined],
  ["lab/ssh", "10.0.0.1:22", {}, undefined],
  ["5060/udp", "10.0.0.1:5060", {}, "udp-unserved"],
  ["8080/tcp+udp", "10.0.0.1:5060", {}, "udp-unserved"],
  ["5060/udp", "10.0.0.1:5060", { access: "token" }, undefined],
  ["https://shop.example", "10.0.0.1:80", {}, undefined],
  ["https://edge.example/shop", "10.0.0.1:80", {}, "control-host"],
])("self-hosted, %s -> %s %j: %s", (endpoint, target, options, code) => {
  expect(servingProblem(draft(endpoint, target, options), SELF_HOSTED, URLS)?.code).toBe(code);
});

test("on Cloudflare a raw TCP port is reached by token", () => {
  expect(servingProblem(draft("8080/tcp", "10.0.0.1:80"), {}, URLS)).toMatchObject({
    status: 422,
    code: "tcp-unserved",
    fix: expect.stringContaining("--access token"),
  });
  expect(servingProblem(draft("8080/tcp", "10.0.0.1:80", { access: "token" }), {}, URLS)).toBeUndefined();
});

test.each<[string | undefined, string]>([
  ["8080,8090-8099", "sallyport serve --data edge --tcp 8080,8090-8100"],
  ["8101", "sallyport serve --data edge --tcp 8100-8101"],
  ["", "sallyport serve --data edge --tcp 8100"],
  [undefined, "sallyport serve --data edge --tcp 8100"],
])("an edge that holds %j is told to hold 8100 too: %s", (held, command) => {
  const platform = { ...SELF_HOSTED, ...(held === undefined ? { TCP_PORTS: "" } : { TCP_PORTS: held }) };
  expect(servingProblem(draft("8100/tcp", "10.0.0.1:80"), platform, URLS)?.fix).toBe(
    `Restart the edge with: ${command}`,
  );
});

test.each<[string | undefined, string | undefined]>([
  [undefined, "no-admin-secret"],
  ["", "no-admin-secret"],
  ["short", "admin-secret-short"],
  ["0123456789abcdef", undefined],
])("with the admin secret %j: %s", (secret, code) => {
  expect(setupProblem(secret === undefined ? {} : { ADMIN_SECRET: secret })?.code).toBe(code);
});

test("an edge without a secret says what to do, as a page or as a problem", async () => {
  const problem = setupProblem({});
  if (problem === undefined) throw new Error("no problem");
  const page = setupAnswer(new Request("https://edge.example/", { headers: { accept: "text/html,*/*" } }), problem);
  expect(page.status).toBe(503);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await page.text()).toContain("<code>npx wrangler secret put ADMIN_SECRET</code>");
  const answer = setupAnswer(new Request("https://edge.example/x"), problem);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({
    code: "no-admin-secret",
    fix: expect.stringContaining("wrangler secret put"),
  });
});

test("failed logins wait ever longer, up to a bound", () => {
  const penalties = new LoginPenalties();
  let now = 0;
  const waits = Array.from({ length: 14 }, () => {
    penalties.fail("192.0.2.1", now);
    const wait = penalties.wait("192.0.2.1", now);
    now += wait;
    return wait / 1000;
  });
  expect(waits).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60]);
  expect(penalties.wait("192.0.2.1", now)).toBe(0);
  expect(penalties.wait("192.0.2.2", 0)).toBe(0);
  penalties.forgive("192.0.2.1");
  penalties.fail("192.0.2.1", now);
  expect(penalties.wait("192.0.2.1", now)).toBe(5_000);
});

test("a flood from many sources is not remembered for ever", () => {
  const penalties = new LoginPenalties();
  for (let source = 0; source <= 1_000; source++) penalties.fail(`source ${source}`, 0);
  expect(penalties.wait("source 0", 0)).toBe(0);
  expect(penalties.wait("source 1000", 0)).toBe(5_000);
});

test.each<[string, string, boolean]>([
  ["", "", true],
  ["secret", "secret", true],
  ["secret", "Secret", false],
  ["secret", "secret ", false],
  ["secret", "", false],
  ["é", "e\u0301", false],
])("%j and %j are the same secret: %s", async (a, b, same) => {
  expect(await isSameSecret(a, b)).toBe(same);
});

function draft(endpoint: string, target: string, options: object = {}) {
  return good(parseRule({ endpoint, site: "lab", target, ...options }));
}
