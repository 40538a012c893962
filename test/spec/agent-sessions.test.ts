import { expect, test } from "vitest";
import { AgentSessions } from "../../shared/session/agent-sessions.ts";
import { decodeFields, encodeFields, numberField, textField } from "../../shared/wire/fields.ts";
import { decodeFrame, encodeFrame, TYPE, type Frame } from "../../shared/wire/frame.ts";
import { encodeResume, Secret } from "../../shared/wire/resume.ts";

test("when a lane is lost, every caller is asked to resume", () => {
  const agent = anAgent();
  for (const channel of [0, 5, 9]) agent.begin(channel);
  agent.sessions.lost();
  expect(agent.said(TYPE.NUDGE).map(({ channel }) => channel)).toEqual([0, 5, 9]);
});

test("whatever comes for a session that is not there is answered END, once a second, but an END", () => {
  for (const type of [TYPE.DATA, TYPE.DGRAM, TYPE.CREDIT, TYPE.DIAL, TYPE.WINDOW, TYPE.ASK, TYPE.BATCH]) {
    const agent = anAgent();
    const ask = (): void => agent.hear({ type, channel: 7, stream: 1 });
    ask();
    ask();
    expect(agent.said(TYPE.END).map(({ channel }) => channel)).toEqual([7]);
    agent.clock.now += 1_000;
    ask();
    expect(agent.said(TYPE.END)).toHaveLength(2);
  }
  const agent = anAgent();
  agent.hear({ type: TYPE.END, channel: 7 });
  expect(agent.sent).toEqual([]);
});

test("an END names the session that was there, and says when there never was one", () => {
  const agent = anAgent();
  agent.begin(5);
  agent.hear({ type: TYPE.END, channel: 5 });
  agent.hear({ type: TYPE.CREDIT, channel: 5, stream: 1 });
  agent.hear({ type: TYPE.CREDIT, channel: 6, stream: 1 });
  expect(agent.said(TYPE.END).map(ending)).toEqual([
    { channel: 5, id: idOf(5), never: false },
    { channel: 6, id: undefined, never: true },
  ]);
});

test("a RESUME of a session that ended here is told from one of a session that never began", () => {
  const agent = anAgent();
  agent.begin(5);
  agent.hear({ type: TYPE.END, channel: 5 });
  for (const id of [5, 6]) {
    const secret = new Secret(idOf(id), new Uint8Array(32));
    const [payload] = encodeResume({ id: secret.id, proof: secret.prove(), lanes: 0, records: [] });
    agent.hear({ type: TYPE.RESUME, channel: 8, offset: 1 }, payload);
  }
  expect(agent.said(TYPE.END).map(ending)).toEqual([
    { channel: 8, id: idOf(5), never: false },
    { channel: 8, id: idOf(6), never: true },
  ]);
});

function anAgent() {
  const sent: Frame[] = [];
  const clock = { now: 0 };
  const sessions = new AgentSessions({
    io: {
      send: (frame) => void sent.push(decodeFrame(frame)),
      maxFrame: () => 0,
      now: () => clock.now,
      batching: { soon: (run) => run(), later: (run) => run() },
    },
    dial: () => undefined,
    cut: () => undefined,
  });
  const hear = (header: Parameters<typeof encodeFrame>[0], payload?: Uint8Array): void =>
    sessions.receive(decodeFrame(encodeFrame(header, payload)));
  return {
    sessions,
    sent,
    clock,
    hear,
    /** A caller says SESSION; its id is made of its channel. */
    begin(channel: number): void {
      hear({ type: TYPE.SESSION, channel, offset: 65_536 }, encodeFields({ 1: idOf(channel), 2: new Uint8Array(32) }));
      sent.length = 0;
    },
    said: (type: number) => sent.filter((frame) => frame.type === type),
  };
}

function idOf(channel: number): Uint8Array {
  return new Uint8Array(16).fill(channel);
}

function ending({ channel, payload }: Frame) {
  const fields = decodeFields(payload);
  expect(textField(fields, 1)).toBe("done");
  return { channel, id: fields.get(5)?.slice(), never: numberField(fields, 6) === 1 };
}
