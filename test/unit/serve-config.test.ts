import fc from "fast-check";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/tool.ts";
import { bindAddress, listenAddress, reachable } from "../../cli/serve/address.ts";
import { quote } from "../../cli/serve/capnp.ts";
import {
  COMPATIBILITY_DATE,
  COMPATIBILITY_FLAGS,
  workerdConfig,
  type EdgeConfig,
} from "../../cli/serve/workerd-config.ts";
import { serveHint, shellWord } from "../../cli/serve/hint.ts";
import { WORKERD_VERSION } from "../../cli/serve/find-workerd.ts";
import packageJson from "../../package.json" with { type: "json" };
import { parse as parseToml } from "smol-toml";
import { readFileSync } from "node:fs";

const CONFIG: EdgeConfig = {
  worker: "worker.js",
  storage: "/srv/edge/storage",
  listen: { host: "127.0.0.1", port: 8787 },
  tls: null,
  bind: "0.0.0.0",
  tcp: [8080, 8090],
  vars: { SELF_HOSTED: "1" },
  localPort: null,
  dialsOut: false,
  secrets: ["ADMIN_SECRET"],
};

test("a quoted text is one literal, and says the same", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed()),
      (text) => {
        const literal = quote(text);
        expect(literal).toMatch(/^"(?:[^"\\\p{Cc}]|\\["\\]|\\x[0-9a-f]{2}|[\u0080-\u009f])*"$/u);
        expect(
          literal
            .slice(1, -1)
            .replace(
              /\\(?:x([0-9a-f]{2})|(.))/g,
              (_, hex?: string, char?: string) => char ?? String.fromCharCode(parseInt(hex ?? "", 16)),
            ),
        ).toBe(text);
      },
    ),
  );
});

test("a NUL is refused: workerd would end the text there", () => {
  expect(() => quote("a\0b")).toThrow(RangeError);
});

test("every port is a socket of its own, on the address it was asked for", () => {
  const config = workerdConfig({ ...CONFIG, listen: { host: "::1", port: 0 }, bind: "fd00::5" });
  expect(config).toContain('name = "http", address = "[::1]:0", service = "edge", http = (');
  expect(config).toContain('name = "tcp:8080", address = "[fd00::5]:8080", service = "edge", tcp = ()');
  expect(config).toContain('name = "tcp:8090", address = "[fd00::5]:8090"');
});

test("secrets are named, not written; other values are quoted", () => {
  const config = workerdConfig({ ...CONFIG, vars: { SERVE_HINT: 'sallyport serve --data "x"' } });
  expect(config).toContain('(name = "ADMIN_SECRET", fromEnvironment = "ADMIN_SECRET")');
  expect(config).toContain(String.raw`(name = "SERVE_HINT", text = "sallyport serve --data \"x\"")`);
});

test("a strange folder can't add anything to the config", () => {
  const config = workerdConfig({ ...CONFIG, storage: '/srv/", writable = false), (name = "x' });
  expect(config).toContain(String.raw`disk = (path = "/srv/\", writable = false), (name = \"x", writable = true)`);
});

test("what a stranger says in the platform's headers is dropped", () => {
  const config = workerdConfig(CONFIG);
  for (const name of ["CF-Connecting-IP", "True-Client-IP", "CF-Worker"])
    expect(config).toContain(`(name = "${name}")`);
});

test("workerd collects what requests leave behind early, in short pauses", () => {
  expect(workerdConfig(CONFIG)).toContain('v8Flags = ["--max-semi-space-size=4"]');
});

test("the edge can't dial out", () => {
  expect(workerdConfig(CONFIG)).toContain('(name = "internet", network = (allow = []))');
});

test("objects keep the keys that their storage is found by", () => {
  const config = workerdConfig(CONFIG);
  for (const [className, key] of [
    ["Relay", "sallyport-relay"],
    ["Registry", "sallyport-registry"],
  ]) {
    expect(config).toContain(`(className = "${className}", uniqueKey = "${key}", enableSql = true)`);
  }
});

test("self-hosted and Cloudflare run the same Worker in the same way, on the pinned workerd", () => {
  const wrangler = parseToml(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
  expect(wrangler).toMatchObject({ compatibility_date: COMPATIBILITY_DATE, compatibility_flags: COMPATIBILITY_FLAGS });
  expect(packageJson.devDependencies.workerd).toBe(WORKERD_VERSION);
});

test.each<[string, string, number]>([
  ["8787", "127.0.0.1", 8787],
  ["0.0.0.0:80", "0.0.0.0", 80],
  ["[::1]:8787", "::1", 8787],
  ["127.0.0.1:0", "127.0.0.1", 0],
])("--listen %s", (text, host, port) => {
  expect(listenAddress(text)).toEqual({ host, port });
});

test.each(["", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "*:80", "127.0.0.1:80 "])(
  "--listen %j is refused",
  (text) => {
    expect(() => listenAddress(text)).toThrow(expect.objectContaining({ exit: 2 }));
  },
);

test.each(["localhost", "", "0.0.0.0:80", "[::]", "eth0"])("--bind %j is refused", (text) => {
  expect(() => bindAddress(text)).toThrow(expect.objectContaining({ exit: 2 }));
});

test("a wildcard is reached by loopback", () => {
  expect(reachable({ host: "0.0.0.0", port: 1 })).toEqual({ host: "127.0.0.1", port: 1 });
  expect(reachable({ host: "::", port: 1 })).toEqual({ host: "::1", port: 1 });
  expect(reachable({ host: "192.0.2.1", port: 1 })).toEqual({ host: "192.0.2.1", port: 1 });
});

test.each<[string[], string]>([
  [["serve", "--data", "edge"], "sallyport serve --data edge"],
  [["serve", "--tcp", "80,81", "--data", "edge"], "sallyport serve --data edge"],
  [["serve", "--data=a b", "--tcp=80", "--bind", "0.0.0.0"], "sallyport serve '--data=a b' --bind 0.0.0.0"],
  [["serve", "--data", "it's $HOME"], String.raw`sallyport serve --data 'it'\''s $HOME'`],
  [["serve", "--data", ""], "sallyport serve --data ''"],
])("the hint of %j is %s", (argv, hint) => {
  expect(serveHint(argv)).toBe(hint);
});

test.each(["a;b", "a b", "$(x)", "`x`", "a\nb", "a'b", '"', "*", "~", "!", "é"])(
  "the shell word of %j is quoted",
  (word) => {
    expect(shellWord(word)).toMatch(/^'[^]*'$/);
  },
);
