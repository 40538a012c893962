import { loadavg } from "node:os";
import { expect, test } from "vitest";
import { historyOf } from "../support/chaos/history.ts";
import type { Account } from "../support/chaos/live.ts";
import { liveAll } from "../support/chaos/many.ts";
import { record } from "../support/record.ts";

// SALLYPORT_SEED=1234 replays one history; SALLYPORT_SEEDS=1000 lives through more of them. Logs of those that go wrong are
// in test-results/chaos/.

const only = process.env.SALLYPORT_SEED;
const first = Number(only ?? 1);
const count = only === undefined ? Number(process.env.SALLYPORT_SEEDS ?? 200) : 1;
/** Worlds at once: they mostly wait. */
const AT_ONCE = Number(process.env.SALLYPORT_AT_ONCE ?? 8);

test(
  `${count} histories of dark paths and dying lanes from seed ${first} on: no byte is lost, no stream hangs`,
  {
    timeout: 0,
  },
  async (context) => {
    const histories = Array.from({ length: count }, (_, index) => historyOf(first + index));
    const began = Date.now();
    const accounts = await liveAll(context, histories, AT_ONCE, (account) => console.log(inWords(account)));
    const seconds = Math.round((Date.now() - began) / 1000);
    await record("chaos", { seconds, load: loadavg()[0], atOnce: AT_ONCE, first, ...summaryOf(accounts) });
    expect(accounts.flatMap(({ name, wrong }) => wrong.map((each) => `${name}: ${each}`))).toEqual([]);
  },
);

function inWords({ name, told, wrong, ended, streamsAfterMs, flowsAfterMs, datagrams }: Account): string {
  const after = `streams after ${streamsAfterMs ?? "no"} ms, flows after ${flowsAfterMs ?? "no"} ms, ${ended} ended`;
  const { sent, heard, dropped } = datagrams;
  const what = `${after}, ${heard} of ${sent} datagrams heard, ${dropped} dropped and counted`;
  return [`${name}: ${told}: ${what}: ${wrong.length === 0 ? "right" : "WRONG"}`, ...wrong].join("\n  ");
}

/** Figures of all of them: milliseconds are from when the last fault was over until all streams, and flows, were heard again. */
function summaryOf(accounts: readonly Account[]): object {
  const spread = (values: readonly (number | null)[]): object => {
    const sorted = values.filter((each) => each !== null).sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    return { p50: at(0.5), p90: at(0.9), most: at(1) };
  };
  const total = (of: (account: Account) => number): number => accounts.reduce((sum, account) => sum + of(account), 0);
  return {
    histories: accounts.length,
    promisedToLive: accounts.filter(({ fate }) => fate === "lives").length,
    right: accounts.filter(({ wrong }) => wrong.length === 0).length,
    streamsEndedAtBothEnds: total(({ ended }) => ended),
    streamsAfterMs: spread(accounts.map(({ streamsAfterMs }) => streamsAfterMs)),
    flowsAfterMs: spread(accounts.map(({ flowsAfterMs }) => flowsAfterMs)),
    datagrams: {
      sent: total(({ datagrams }) => datagrams.sent),
      heard: total(({ datagrams }) => datagrams.heard),
      late: total(({ datagrams }) => datagrams.late),
      oldestMs: Math.max(0, ...accounts.map(({ datagrams }) => datagrams.oldestMs)),
      droppedAndCounted: total(({ datagrams }) => datagrams.dropped),
    },
    wrong: accounts.filter(({ wrong }) => wrong.length > 0).map(({ name, told, wrong }) => ({ name, told, wrong })),
  };
}
