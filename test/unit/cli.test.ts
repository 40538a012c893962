import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { statusText } from "../../cli/commands/status.ts";
import { formatSpan, parseDuration, parseMoment } from "../../cli/duration.ts";
import { checkedUrl } from "../../cli/edge.ts";
import { currentLogin, loginsFile, rememberLogin } from "../../cli/logins.ts";
import { printProblem, printWarnings } from "../../cli/output.ts";
import { table } from "../../cli/table.ts";
import { Problem } from "../../link/problem.ts";
import type { StatusView } from "../../shared/rule/api.ts";

const NOW = Date.UTC(2026, 10, 22);

test("a table is aligned, without empty columns, numbers at the right", () => {
  const rows = [
    { name: "shop", streams: "3", note: "" },
    { name: "入口摄像头", streams: "12", note: "" },
  ];
  const text = table(rows, [
    { title: "NAME", value: ({ name }) => name },
    { title: "STREAMS", value: ({ streams }) => streams, align: "right" },
    { title: "NOTE", value: ({ note }) => note },
  ]);
  expect(text).toBe("NAME        STREAMS\nshop              3\n入口摄像头       12\n");
});

test("what others wrote can't command the terminal or forge a line", () => {
  const text = table([{ name: "a\u001b[2Jb\nc\u202ed" }], [{ title: "NAME", value: ({ name }) => name }]);
  expect(text).toBe("NAME\na\\u{1b}[2Jb\\u{a}c\\u{202e}d\n");
  const written: string[] = [];
  const output = { out: () => undefined, err: (line: string) => void written.push(line) };
  printWarnings(output, ["a\nb"]);
  printProblem(output, false, new Problem(1, "code", "first\nsecond\u001b[2J", "do this"));
  expect(written.join("")).toBe("warning: a\\u{a}b\nerror[code]: first\n       second\\u{1b}[2J\n  fix: do this\n");
});

test.each<[string, number]>([
  ["30s", 30_000],
  ["15m", 900_000],
  ["12h", 43_200_000],
  ["90d", 7_776_000_000],
  ["2w", 1_209_600_000],
  ["1y", 31_536_000_000],
])("%s is %i ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
  expect(parseMoment(text, NOW)).toBe(NOW + ms);
});

test.each(["", "0s", "-1d", "1.5h", "d", "90", "90 d", "1d12h", "1e3s", "9999999999s", "forever"])(
  "%j is no length of time",
  (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ exit: 2, code: "duration-invalid" }));
  },
);

test("a moment is a date, too", () => {
  expect(parseMoment("2027-01-31", NOW)).toBe(Date.UTC(2027, 0, 31));
  expect(parseMoment("2027-01-31T18:00:00+01:00", NOW)).toBe(Date.UTC(2027, 0, 31, 17));
  for (const text of ["", "2027", "2027-13-01", "31.1.2027", "tomorrow", "2027-01-31T25:00"]) {
    expect(() => parseMoment(text, NOW)).toThrow(expect.objectContaining({ exit: 2 }));
  }
});

test.each<[number, string]>([
  [0, "0 s"],
  [-5_000, "5 s"],
  [119_000, "119 s"],
  [600_000, "10 min"],
  [7_200_000, "2 h"],
  [10 * 86_400_000, "10 d"],
])("%i ms are %s", (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});

test.each<[string, string]>([
  ["https://Edge.Example/", "https://edge.example"],
  ["https://edge.example:443", "https://edge.example"],
  ["http://127.0.0.1:8787/", "http://127.0.0.1:8787"],
  ["http://localhost:8787", "http://localhost:8787"],
  ["http://[::1]:80", "http://[::1]"],
])("an edge at %s is %s", (text, url) => {
  expect(checkedUrl(text, false)).toBe(url);
});

test.each([
  "http://192.0.2.1:8787",
  "http://edge.example",
  "http://localhost.evil.example",
  "http://127.0.0.1.evil.example",
])("%s is refused without --insecure", (url) => {
  expect(() => checkedUrl(url, false)).toThrow(expect.objectContaining({ code: "plain-http" }));
  expect(checkedUrl(url, true)).toBe(url);
});

test.each([
  "",
  "edge.example",
  "https://",
  "ftp://edge.example",
  "https://edge.example/path",
  "https://u:p@edge.example",
  "https://*.example",
  "https://edge.example?x",
])("%j is no edge", (url) => {
  expect(() => checkedUrl(url, true)).toThrow(expect.objectContaining({ exit: 2 }));
});

test("logins are remembered for their owner alone, the last one is spoken to", () => {
  using config = configFolder();
  const { env } = config;
  expect(() => currentLogin(env)).toThrow(expect.objectContaining({ exit: 3, code: "no-login" }));
  rememberLogin(env, { url: "https://a.example", token: "a", insecure: false });
  rememberLogin(env, { url: "https://b.example", token: "b", insecure: true });
  expect(currentLogin(env)).toEqual({ url: "https://b.example", token: "b", insecure: true });
  expect(currentLogin({ ...env, SALLYPORT_EDGE: "https://a.example/" })).toEqual({
    url: "https://a.example",
    token: "a",
    insecure: false,
  });
  expect(currentLogin({ ...env, SALLYPORT_EDGE: "https://c.example", SALLYPORT_ADMIN_TOKEN: "c" })).toEqual({
    url: "https://c.example",
    token: "c",
    insecure: false,
  });
  expect(() => currentLogin({ ...env, SALLYPORT_EDGE: "https://c.example" })).toThrow(
    expect.objectContaining({ code: "no-login" }),
  );
  expect(statSync(loginsFile(env)).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(loginsFile(env))).mode & 0o777).toBe(0o700);
});

test("an admin token in the environment does not go to an edge it was not meant for", () => {
  using config = configFolder();
  rememberLogin(config.env, { url: "https://a.example", token: "a", insecure: false });
  expect(() => currentLogin({ ...config.env, SALLYPORT_ADMIN_TOKEN: "other" })).toThrow(
    expect.objectContaining({ code: "no-edge" }),
  );
});

test("a damaged file of logins is named, not replaced", () => {
  using config = configFolder();
  rememberLogin(config.env, { url: "https://a.example", token: "a", insecure: false });
  writeFileSync(loginsFile(config.env), "{");
  expect(() => currentLogin(config.env)).toThrow(expect.objectContaining({ code: "logins-damaged" }));
});

test("a status is readable at a glance", () => {
  const status: StatusView = {
    url: "https://edge.example",
    version: "0.1.0",
    time: new Date(NOW).toISOString(),
    selfHosted: true,
    tcpPorts: "8080",
    sites: [
      {
        name: "lab",
        created: "",
        revision: 1,
        state: "offline",
        relay: { name: "lab#1", seen: false, instance: null, boot: null, droppedRecords: 0 },
        agents: [],
        callers: [],
        droppedDatagrams: 0,
      },
    ],
    mappings: [
      {
        id: 1,
        endpoint: "8080/tcp",
        site: "lab",
        target: "10.0.0.5:80",
        name: "",
        access: "public",
        expires: null,
        state: "no-agent",
        streams: 0,
        lastRefusal: { at: new Date(NOW - 5_000).toISOString(), code: "no-agent", reason: "nobody there" },
        refused: 3,
      },
    ],
    warnings: [],
  };
  expect(statusText(status)).toBe(
    [
      "edge https://edge.example, version 0.1.0, TCP ports 8080",
      "",
      "SITE  STATE",
      "lab   offline",
      "",
      "ENDPOINT  SITE  TARGET       STATE     STREAMS  REFUSED  LAST REFUSED",
      "8080/tcp  lab   10.0.0.5:80  no-agent        0        3  5 s ago: no-agent, nobody there",
      "",
    ].join("\n"),
  );
});

function configFolder(): { env: NodeJS.ProcessEnv } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "sallyport-"));
  return {
    env: { SALLYPORT_CONFIG_DIR: join(path, "config") },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
