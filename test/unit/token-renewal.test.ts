import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TokenRenewal } from "../../link/token-renewal.ts";
import { newestToken } from "../../link/token-store.ts";
import { parseClaims, type AgentClaims } from "../../shared/rule/claims.ts";
import { encodeControl, Renew, decodeControl } from "../../shared/wire/control.ts";
import { decodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { madeToken } from "../support/made-token.ts";
import { tempDir } from "../support/temp-dir.ts";
import { good } from "./parsed.ts";

const IAT = 1_700_000_000;
const EXP = IAT + 90_000;
/** Two thirds of the life are over, in milliseconds. */
const DUE = (IAT + 60_000) * 1000;
const PRESENT = {
  iss: "https://edge.example",
  sub: "agent:lab:1",
  aud: "sallyport:agent",
  iat: IAT,
  exp: EXP,
  jti: "token-0001",
  site: "lab",
  targets: ["192.168.2.0/24:80"],
};
const NEXT = { ...PRESENT, iat: IAT + 60_000, exp: EXP + 60_000, jti: "token-0002" };
const WIDER = { ...NEXT, targets: ["0.0.0.0/0"] };

test("an own request is answered once; what follows unasked changes nothing", () => {
  const { renewal, kept, logged } = holder();
  expect(renewal.due(DUE - 1)).toBeUndefined();
  expect(asks(renewal.due(DUE))).toBe(true);
  renewal.answered(token(NEXT), DUE + 10);
  const again = { ...NEXT, jti: "token-0003" };
  renewal.answered(token(again), DUE + 20);
  expect(kept.map(({ jti }) => jti)).toEqual(["token-0002"]);
  expect(logged).toEqual([expect.stringMatching(/^warn the edge answered a RENEW that was not sent/)]);
});

test("a token that was never asked for is not taken, though it is a good one", () => {
  const { renewal, kept, logged } = holder();
  renewal.answered(token(NEXT), DUE);
  expect(kept).toEqual([]);
  expect(logged).toHaveLength(1);
});

test("a lapsed token is asked about when the edge says so, whatever our clock says", () => {
  const { renewal, kept } = holder();
  expect(asks(renewal.ask(IAT * 1000))).toBe(true);
  renewal.answered(token(NEXT), IAT * 1000 + 10);
  expect(kept).toMatchObject([{ jti: "token-0002" }]);
});

test("a refusal ends the request, an answer that comes a minute late is none, and the next request is a new one", () => {
  const { renewal, kept, logged } = holder();
  renewal.ask(DUE);
  renewal.answered(frame({ code: "early", reason: "not yet" }), DUE + 1);
  renewal.answered(token(NEXT), DUE + 2);
  renewal.ask(DUE + 3);
  renewal.answered(token(NEXT), DUE + 60_004);
  expect(kept).toEqual([]);
  renewal.ask(DUE + 70_000);
  renewal.answered(token(NEXT), DUE + 70_001);
  expect(kept).toMatchObject([{ jti: "token-0002" }]);
  expect(logged.map((line) => line.slice(0, 30))).toEqual([
    "warn the token is not renewed ",
    "warn the edge answered a RENEW",
    "warn the edge answered a RENEW",
  ]);
});

const [HEAD = "", BODY = "", SIGNATURE = ""] = madeToken("agent", NEXT).split(".");

test.each<[what: string, text: string, reason: RegExp]>([
  ["wider targets", madeToken("agent", WIDER), /targets is .*0\.0\.0\.0\/0.*, and was .*192\.168\.2\.0/],
  ["another identity", madeToken("agent", { ...NEXT, sub: "agent:lab:2" }), /sub is /],
  ["another site", madeToken("agent", { ...NEXT, site: "office" }), /site is /],
  ["more rights", madeToken("agent", { ...NEXT, publish: ["lab/*"] }), /publish is .*, and was absent/],
  ["a longer life", madeToken("agent", { ...NEXT, exp: NEXT.exp + 1 }), /it lives 90001 s, and the present one 90000/],
  ["a claim nobody knows", madeToken("agent", { ...NEXT, direct: ["10.0.0.1"] }), /direct|nrecognized/],
  ["a plain URL", madeToken("agent", { ...NEXT, iss: "http://edge.example" }), /iss is /],
  ["another kind", madeToken("gateway", NEXT), /form/],
  ["another audience", madeToken("agent", { ...NEXT, aud: "sallyport:gateway" }), /aud/],
  ["four letters for a signature", `${HEAD}.${BODY}.AAAA`, /form/],
  ["no signature", `${HEAD}.${BODY}.`, /form/],
  ["a signature of another length", madeToken("agent", NEXT, Buffer.alloc(63, 7)), /form/],
  ["another spelling of the same signature", `${HEAD}.${BODY}.${SIGNATURE.slice(0, -1)}x`, /form/],
  ["padding", `${HEAD}.${BODY}.${SIGNATURE}==`, /form/],
  ["white space", ` ${HEAD}.${BODY}.${SIGNATURE}`, /form/],
  ["a line end", `${HEAD}.${BODY}.${SIGNATURE}\n`, /form/],
  ["two parts", `${HEAD}.${BODY}`, /form/],
  ["noise", "x.y.z", /form/],
  ["nothing", "", /form/],
])("the answer with %s is refused, with the difference, and the present token stays", (_what, text, reason) => {
  const { renewal, kept, logged } = holder();
  renewal.ask(DUE);
  renewal.answered(frame({ token: text }), DUE + 1);
  expect(kept).toEqual([]);
  expect(logged).toEqual([expect.stringMatching(/^error the edge sent another token than was asked for/)]);
  expect(logged[0]).toMatch(reason);
  // Nor is a second try of the same answer one.
  renewal.answered(token(NEXT), DUE + 2);
  expect(kept).toEqual([]);
});

test("a new URL of the edge is taken, and said", () => {
  const { renewal, kept, logged } = holder();
  renewal.ask(DUE);
  renewal.answered(token({ ...NEXT, iss: "https://moved.example" }), DUE + 1);
  expect(kept).toMatchObject([{ iss: "https://moved.example" }]);
  expect(logged).toEqual([expect.stringContaining("https://moved.example")]);
});

test("a token that was kept aside is used at the next start only if it grants the same", async () => {
  await using folder = await tempDir();
  const env = { STATE_DIRECTORY: join(folder.path, "state") };
  const given = madeToken("agent", PRESENT);
  const keep = (text: string): void => {
    mkdirSync(env.STATE_DIRECTORY, { recursive: true });
    writeFileSync(join(env.STATE_DIRECTORY, "token-agent_lab_1"), `${text}\n`);
  };
  expect(newestToken("agent", given, env)).toBe(given);
  keep(madeToken("agent", NEXT));
  expect(newestToken("agent", given, env)).toBe(madeToken("agent", NEXT));
  for (const other of [WIDER, { ...NEXT, sub: "agent:lab:2" }, { ...PRESENT, jti: "token-0009" }]) {
    keep(madeToken("agent", other));
    expect(newestToken("agent", given, env)).toBe(given);
  }
});

/** An agent's renewal, what it has taken into use, and what it has logged: `level message fields`. */
function holder() {
  let claims = good(parseClaims("agent", PRESENT));
  const kept: AgentClaims[] = [];
  const logged: string[] = [];
  const renewal = new TokenRenewal({
    kind: "agent",
    claims: () => claims,
    keep: (_token, next) => {
      claims = next;
      kept.push(next);
    },
    log: (level, message, fields) => void logged.push([level, message, JSON.stringify(fields)].join(" ")),
  });
  return { renewal, kept, logged };
}

function token(claims: object): Frame {
  return frame({ token: madeToken("agent", claims) });
}

function frame(body: object): Frame {
  return decodeFrame(encodeControl(TYPE.RENEW, body));
}

/** Whether this is a request for a successor. */
function asks(sent: Uint8Array | undefined): boolean {
  if (sent === undefined) return false;
  const request = decodeFrame(sent);
  return request.type === TYPE.RENEW && Object.keys(decodeControl(request, Renew)).length === 0;
}
