import { expect, test } from "vitest";
import { rulesFrom } from "../../cli/rules-file.ts";
import { writeRules } from "../../shared/rule/rules-file.ts";
import { parseMapping } from "../../shared/rule/mapping.ts";
import { unwrap } from "../../shared/result.ts";

const RULE = `[[mapping]]
endpoint = "8080/tcp"
site = "lab"
target = "192.168.2.101:8080"
`;

test("what is written is read again as the same rules", () => {
  const drafts = [
    {
      endpoint: "8080/tcp",
      site: "lab",
      target: "192.168.2.101:8080",
      name: 'a "shop"',
      allow: ["203.0.113.0/24"],
      expires: "2027-01-31T18:00:00Z",
    },
    {
      endpoint: "https://a.example/app",
      site: "lab",
      target: "https://10.0.0.5:8443",
      http: { tlsVerify: false, prefix: "strip" },
    },
    { endpoint: "https://b.example", site: "lab", target: "10.0.0.6:80", note: "two\\ and = [[mapping]]" },
    { endpoint: "lab/ssh", site: "lab", target: "10.0.0.7:22", maxStreams: 5 },
  ].map((input) => unwrap(parseMapping(input)));
  const rules = rulesFrom(writeRules(drafts, "all"), "f");
  expect(rules.map(({ input }) => unwrap(parseMapping(input)))).toEqual(drafts);
});

test.each([
  ["an unknown field", `${RULE}onwer = "me"\n`, 5],
  ["a value of the wrong kind", `${RULE}maxStreams = "many"\n`, 5],
  ["a target that is none", RULE.replace("192.168.2.101:8080", "192.168.2.999:8080"), 4],
  ["a target that does not fit", RULE.replace("192.168.2.101:8080", "http://x"), 4],
  ["a field that does not fit its endpoint", `${RULE}name = "x"\nidleSeconds = 30\n`, 6],
  ["an option of HTTP", `\n${RULE.replace("8080/tcp", "https://a.example")}\n[mapping.http]\nprefix = "strip"\n`, 7],
  ["an entry of a list", `${RULE}allow = [\n  "10.0.0.0/8",\n  "10.0.0.0/99",\n]\n`, 5],
  ["the same endpoint twice", `${RULE}\n${RULE}`, 7],
  ["no target", RULE.replace(/target.*\n/, ""), 1],
  ["a stranger beside the rules", `version = 1\n${RULE}`, 1],
  ["broken TOML", `${RULE}name = "x\n`, 5],
  ["a moment without its zone", `${RULE}expires = 2027-01-31T18:00:00\n`, 5],
  ["after a text of several lines", `${RULE}note = """\\\n[[mapping]] \\\nx = 1"""\nonwer = "me"\n`, 8],
])("%s is pointed at by its line", (_, text, line) => {
  expect(() => rulesFrom(text, "rules.toml")).toThrow(`rules.toml:${line}: `);
});
