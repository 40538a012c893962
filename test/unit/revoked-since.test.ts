import { expect, test } from "vitest";
import { Problem } from "../../link/problem.ts";
import { goodTokens, revokedSince, stateOf, tokensToLookAt, type State } from "../../cli/revoked-since.ts";

const THEN = Date.UTC(2026, 10, 22);
const DAY = 24 * 3600_000;
/** When the two states are looked at. */
const NOW = THEN + 3 * DAY;

test("what a later state has revoked, of what the earlier one takes for good, and nothing else", () => {
  const then = state({
    tokens: [token("good"), token("revoked-since"), token("revoked-before", { revoked: THEN - 1 }), token("pruned")],
  });
  const later = state({
    tokens: [
      token("good"),
      token("revoked-since", { revoked: THEN + DAY }),
      token("revoked-before", { revoked: THEN - 1 }),
      token("issued-since", { issued: THEN + DAY }),
      token("issued-and-revoked", { issued: THEN + DAY, revoked: THEN + 2 * DAY }),
      token("of-this-very-look", { kind: "admin", issued: NOW }),
      token("issued-in-this-second", { issued: NOW }),
    ],
    audit: [{ at: THEN }, { at: THEN + 2 * DAY }],
  });
  const since = revokedSince(then, later, NOW);
  expect(since).toMatchObject({ tokens: ["revoked-since"], keys: [], grants: [] });
  expect(since.issued.map(({ jti }) => jti)).toEqual(["issued-since", "issued-in-this-second"]);
});

test("tokens that have ended by themselves are nobody's affair", () => {
  const ended = token("ended", { expires: NOW - 1 });
  expect(goodTokens(state({ tokens: [ended] }), NOW)).toEqual([]);
  const later = state({ tokens: [{ ...ended, revoked: THEN + DAY }] });
  expect(revokedSince(state({ tokens: [ended] }), later, NOW).tokens).toEqual([]);
});

test("a key that is missing was withdrawn, unless nothing needed it any more", () => {
  const then = state({ keys: [key("kept"), key("withdrawn"), key("forgotten", NOW - 1)] });
  const later = state({ keys: [key("new"), key("kept")] });
  expect(revokedSince(then, later, NOW).keys).toEqual(["withdrawn"]);
});

test("all keys may have been withdrawn: what they signed is listed still, so it is the same edge", () => {
  const then = state({ keys: [key("withdrawn")], tokens: [token("one")] });
  const later = state({ keys: [key("new")], tokens: [token("one", { revoked: THEN + DAY })] });
  expect(revokedSince(then, later, NOW)).toMatchObject({ tokens: ["one"], keys: ["withdrawn"] });
});

test("a grant that is missing was taken back, and one whose link was used must not be used by others", () => {
  const then = state({
    grants: [
      grant("kept"),
      grant("taken-back"),
      grant("used", { ipv4: null }),
      grant("used-again", { ipv4: "192.0.2.1" }),
      grant("as-before", { ipv4: "192.0.2.1" }),
      grant("over", { until: NOW - 1 }),
    ],
  });
  const later = state({
    grants: [
      grant("kept"),
      grant("used", { ipv4: "192.0.2.1" }),
      grant("used-again", { ipv4: "192.0.2.1", ipv6: "2001:db8::" }),
      grant("as-before", { ipv4: "192.0.2.1" }),
    ],
  });
  expect(revokedSince(then, later, NOW).grants).toEqual(["taken-back", "used", "used-again"]);
});

test.each<[what: string, later: State, code: string]>([
  ["another edge", state({ keys: [key("strange")] }), "former-other"],
  ["an older state", state({ audit: [{ at: THEN - DAY }] }), "former-older"],
  ["an older state that is looked at now", state({ audit: [{ at: THEN - DAY }, { at: NOW + 1 }] }), "former-older"],
])("the state of %s tells nothing", (_what, later, code) => {
  expect(codeOf(() => revokedSince(state({}), later, NOW))).toBe(code);
});

test("an edge that has changed nothing since is as good as one that has", () => {
  expect(revokedSince(state({}), state({}), NOW)).toMatchObject({ tokens: [], keys: [], grants: [], issued: [] });
});

test("what is shown is what is good, and what was revoked in the week before", () => {
  const shown = tokensToLookAt(
    state({
      tokens: [
        token("good", { site: "lab" }),
        token("lately", { revoked: THEN - DAY }),
        token("long-ago", { revoked: THEN - 30 * DAY }),
        token("ended", { expires: THEN }),
      ],
    }),
    NOW,
  );
  expect(shown).toMatch(
    /^JTI +KIND +SITE +ISSUED +REVOKED\ngood +agent +lab +2026-11-12 00:00\nlately +agent +2026-11-12 00:00 +2026-11-21 00:00\n$/,
  );
});

test("documents of other versions are read, and what is no export is told", () => {
  const document = { sallyport: "export", format: 9, ...state({ tokens: [token("good")] }), extra: 1 };
  expect(stateOf(document, "x").tables.tokens).toHaveLength(1);
  for (const wrong of [null, {}, { ...document, tables: {} }, { ...document, at: "yesterday" }])
    expect(codeOf(() => stateOf(wrong, "x"))).toBe("state-unreadable");
});

type Tables = State["tables"];

function state(tables: Partial<Tables>): State {
  const none = { keys: [key("kept")], sites: [], grants: [], tokens: [], audit: [{ at: THEN }] };
  return { at: new Date(THEN).toISOString(), tables: { ...none, ...tables } };
}

function token(jti: string, changes: Partial<Tables["tokens"][number]> = {}): Tables["tokens"][number] {
  const life = { issued: THEN - 10 * DAY, expires: THEN + 90 * DAY, revoked: null };
  return { jti, kind: "agent", sub: `agent:${jti}`, site: null, ...life, ...changes };
}

function key(kid: string, needed_until = THEN + 400 * DAY): Tables["keys"][number] {
  return { kid, needed_until };
}

function grant(id: string, changes: Partial<Tables["grants"][number]> = {}): Tables["grants"][number] {
  return { id, until: THEN + 30 * DAY, ipv4: null, ipv6: null, ...changes };
}

function codeOf(step: () => unknown): string {
  try {
    step();
    return "none";
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
}
