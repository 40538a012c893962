import { expect, test } from "vitest";
import { login } from "../../edge/registry/login.ts";
import { LoginPenalties } from "../../edge/registry/login-penalties.ts";
import { isUnguessable } from "../../edge/registry/secret.ts";
import { openSession } from "../../edge/registry/browser-session.ts";
import { Store } from "../../edge/registry/store.ts";
import { issueToken, type Issued } from "../../edge/registry/token-changes.ts";
import type { Outcome } from "../../edge/problem.ts";
import { sqlStore } from "../support/sql.ts";

const NOW = Date.UTC(2026, 10, 22);
const URL = "https://edge.example";
/** As `serve` and `deploy` make them. */
const LONG = "p5Yx0cW3l2Qm8RZk7uTbVd1nEoJaXgHs4iFyLwKtC9A";
const SHORT = "correct horse batter";

test.each([
  ["", false],
  [SHORT, false],
  ["a".repeat(64), false],
  ["abababababababababababab", false],
  ["p5Yx0cW3l2Qm8RZk7uTbV", false],
  ["p5Yx0cW3l2Qm8RZk7uTbVd", true],
  [LONG, true],
  ["3f9a1c7be05d2468af13579bdc02468e", true],
])("%j can't be guessed: %s", (secret, is) => expect(isUnguessable(secret)).toBe(is));

test("a wrong secret waits, and its source alone; the right one is taken wherever it comes from", async () => {
  const { enter } = edge(LONG);
  expect(await enter("wrong", "192.0.2.1")).toMatchObject({ problem: { status: 401, code: "secret-wrong" } });
  for (let n = 0; n < 100; n += 1)
    expect(await enter(`wrong ${n}`, "192.0.2.1")).toMatchObject({
      problem: { status: 429, code: "login-penalty", retryAfter: 5 },
    });
  expect(await enter("wrong", "192.0.2.2")).toMatchObject({ problem: { status: 401 } });
  expect(await enter(LONG, "192.0.2.1")).toMatchObject({ ok: true });
  // Who has logged in begins anew.
  expect(await enter("wrong", "192.0.2.1")).toMatchObject({ problem: { status: 401 } });
});

test("waits grow from one wrong secret to the next, and not from those that come meanwhile", async () => {
  const { enter } = edge(LONG);
  let now = NOW;
  for (const seconds of [5, 10, 15]) {
    expect(await enter("wrong", "192.0.2.1", now)).toMatchObject({ problem: { status: 401 } });
    for (const later of [0, 1])
      expect(await enter("wrong", "192.0.2.1", now + later * 1000)).toMatchObject({
        problem: { status: 429, retryAfter: seconds - later },
      });
    now += seconds * 1000;
  }
});

test("where the secret is short, nothing from a source that waits is compared", async () => {
  const { enter } = edge(SHORT);
  expect(await enter("wrong", "192.0.2.1")).toMatchObject({ problem: { status: 401 } });
  expect(await enter(SHORT, "192.0.2.1")).toMatchObject({ problem: { status: 429, code: "login-penalty" } });
  expect(await enter(SHORT, "192.0.2.2")).toMatchObject({ ok: true });
  expect(await enter(SHORT, "192.0.2.1", NOW + 5_000)).toMatchObject({ ok: true });
  expect(await enter("", "192.0.2.3")).toMatchObject({ ok: false });
});

test("of many at once, one is compared", async () => {
  const { enter } = edge(SHORT);
  const answers = await Promise.all(
    [...Array.from({ length: 50 }, (_, n) => `wrong ${n}`), SHORT].map((each) => enter(each, "192.0.2.1")),
  );
  expect(answers.map((answer) => (answer.ok ? 200 : answer.problem.status))).toEqual([
    401,
    ...Array.from({ length: 50 }, () => 429),
  ]);
});

test("one token opens so many sessions, and the first ones end; what they wrote down is one entry", async () => {
  const store = new Store(sqlStore());
  const reader = value(
    await issueToken(store, URL, { kind: "admin", readOnly: true }, { name: "ann", from: "", now: NOW }),
  );
  const other = value(await issueToken(store, URL, { kind: "admin" }, { name: "ann", from: "", now: NOW }));
  const open = async (jti: string, n: number): Promise<Issued> =>
    value(await openSession(store, URL, { jti, session: "a".repeat(64), from: "192.0.2.1" }, NOW + n * 1000));
  const kept = await open(other.jti, 0);
  const opened: Issued[] = [];
  for (let n = 0; n < 100; n += 1) opened.push(await open(reader.jti, n));
  expect(opened.map(({ jti }) => store.tokens.state(jti))).toEqual([
    ...Array.from({ length: 68 }, () => "unknown"),
    ...Array.from({ length: 32 }, () => "live"),
  ]);
  expect([reader, other, kept].map(({ jti }) => store.tokens.state(jti))).toEqual(["live", "live", "live"]);
  expect(store.tokens.list()).toHaveLength(35);
  expect(store.journal.audits(99).map(({ actor, action, count }) => [actor, action, count])).toEqual([
    ["ann", "token admin", 1],
    ["ann", "token admin", 1],
    [other.sub, "session open", 1],
    [reader.sub, "session open", 100],
  ]);
});

/** An edge with this admin secret that has been named. */
function edge(expected: string) {
  const store = new Store(sqlStore());
  const penalties = new LoginPenalties();
  const enter = (secret: string, source: string, now = NOW) =>
    login(store, penalties, expected, { secret, url: URL, source, from: source }, now);
  return { enter };
}

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
}
