import { expect, test } from "vitest";
import { parseConfig } from "../../agent/config.ts";
import { Problem } from "../../link/problem.ts";

function refused(text: string): Problem {
  try {
    parseConfig(text, "agent.toml");
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error("it was taken");
}

test("a configuration file has the flags by their names", () => {
  const text = `proxy-file = "proxy"\nca = "ca.pem"\ntoken-file = "token"\nallow = ["10.0.0.0/8:554"]\ninsecure = false\nmetrics = "9464"\nlog-level = "debug"\n`;
  expect(parseConfig(text, "agent.toml")).toEqual({
    proxyFile: "proxy",
    ca: "ca.pem",
    tokenFile: "token",
    allow: ["10.0.0.0/8:554"],
    insecure: false,
    metrics: "9464",
    logLevel: "debug",
  });
});

test.each([
  ["dney = []", /did you mean deny\?/],
  ["log_level = 'info'", /did you mean log-level\?/],
  ["tokenfile = 'x'", /did you mean token-file\?/],
  ["colour = 'red'", /the keys are token-file, allow/],
  ["token = 'eyJ'", /a file of its own/],
  ["allow = '10.0.0.0/8'", /write allow = \[/],
  ["insecure = 'yes'", /write insecure = true/],
  ["proxy = true", /write proxy = "/],
  ["proxy = 'http://ann:pw@proxy:3128'", /proxy-file = "proxy"/],
  ["log = 'xml'", /write log = "pretty"/],
])("%s is refused, and the fix says what to write", (text, fix) => {
  expect(refused(text)).toMatchObject({ code: "config-invalid", exit: 3, fix: expect.stringMatching(fix) });
});

test("a mistake in the language is told with its line", () => {
  expect(refused(`edge = "x"\nallow = [\n`).message).toMatch(/^agent\.toml:\d+:\d+: /);
});

test("a token is never quoted, nor a proxy's password", () => {
  expect(refused(`proxy = "http://ann:hidden@proxy"`).message).not.toContain("hidden");
  expect(refused(`token = "eyJhbGciOi"`).message).not.toContain("eyJ");
});
