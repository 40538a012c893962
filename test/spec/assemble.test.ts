import { expect, test } from "vitest";
import { assemble, type AgentSessionEvent, type SessionEvent } from "../../shared/session/assemble.ts";
import type { Session } from "../../shared/session/session.ts";
import { decodeFields, numberField } from "../../shared/wire/fields.ts";
import { decodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { decodeSessionFields, encodeSessionFields, newSessionFields } from "../../shared/wire/session-fields.ts";
import { MAX_DATA, DEFAULT_DATA } from "../../shared/wire/limits.ts";
import { encodeDial } from "../../shared/wire/open.ts";
import { DIAL, WINDOW } from "./pair.ts";

const INTRODUCTION = {
  id: new Uint8Array(16).fill(1),
  key: new Uint8Array(32).fill(2),
  frameBytes: MAX_DATA,
  timed: true,
};

test("a caller says SESSION on each lane: id, secret, its largest frame, that it reads times, and the window", () => {
  const { said, session } = aCaller();
  expect(said).toEqual([]);
  session.begin(WINDOW);
  expect(said.map(({ type, lane, slot, offset }) => ({ type, lane, slot, offset }))).toEqual(
    [0, 1, 2].map((lane) => ({ type: TYPE.SESSION, lane, slot: 7, offset: WINDOW })),
  );
  for (const { payload } of said) {
    const fields = decodeFields(payload);
    expect([...fields.keys()]).toEqual([1, 2, 3, 4]);
    expect(fields.get(1)).toHaveLength(16);
    expect(fields.get(2)).toHaveLength(32);
    expect([numberField(fields, 3), numberField(fields, 4)]).toEqual([MAX_DATA, 1]);
  }
});

test("an agent's session, made of what SESSION said, is dialled; and each end hears of the end by the id of the session", () => {
  const caller = aCaller();
  caller.session.begin(WINDOW);
  const agent = anAgent(caller.said[0]!);
  agent.session.setSendWindow(WINDOW);
  caller.session.open(TYPE.DIAL, encodeDial(DIAL));
  agent.session.receive(caller.said.at(-1)!);
  expect(agent.heard).toMatchObject([{ type: "dial", dial: DIAL }]);
  agent.session.end("done", "");
  caller.session.receive(agent.said.at(-1)!);
  const { id } = decodeSessionFields(caller.said[0]!.payload);
  expect(agent.heard.at(-1)).toEqual({ type: "over", id });
  expect(caller.heard).toEqual([{ type: "over", id }]);
});

test("a caller that says neither its largest frame nor that it reads times has usual frames, and reads none", () => {
  const { id, key } = INTRODUCTION;
  const payload = encodeSessionFields({ id, key, frameBytes: 0, timed: false });
  expect([...decodeFields(payload).keys()]).not.toContain(4);
  expect(decodeSessionFields(payload)).toEqual({ id, key, frameBytes: DEFAULT_DATA, timed: false });
});

test.each([
  ["id", { ...INTRODUCTION, id: new Uint8Array(15) }],
  ["secret", { ...INTRODUCTION, key: new Uint8Array(33) }],
])("a SESSION whose %s has another length is refused", (_, introduction) => {
  expect(() => decodeSessionFields(encodeSessionFields(introduction))).toThrow(
    "SESSION without an id of 16 bytes and a secret of 32",
  );
});

function ends() {
  const said: Frame[] = [];
  const io = {
    send: (frame: Uint8Array) => void said.push(decodeFrame(frame.slice())),
    maxFrame: () => 0,
    now: () => 0,
  };
  return { said, io, graceMs: () => 60_000 };
}

function aCaller(): { session: Session; said: Frame[]; heard: SessionEvent[] } {
  const { said, ...rest } = ends();
  const heard: SessionEvent[] = [];
  const session = assemble({
    ...rest,
    role: "caller",
    to: { channel: 3, slot: 7 },
    frameBytes: DEFAULT_DATA,
    lanes: () => [0, 1, 2],
    fields: newSessionFields((bytes) => new Uint8Array(bytes).fill(bytes)),
    on: (event) => void heard.push(event),
  });
  return { session, said, heard };
}

function anAgent({ payload }: Frame): { session: Session; said: Frame[]; heard: AgentSessionEvent[] } {
  const { said, ...rest } = ends();
  const heard: AgentSessionEvent[] = [];
  const session = assemble({
    ...rest,
    role: "agent",
    to: { channel: 3, slot: 0 },
    fields: decodeSessionFields(payload),
    on: (event) => void heard.push(event),
  });
  return { session, said, heard };
}
