import { expect, test } from "vitest";
import type { Mapping } from "../../shared/rule/mapping.ts";
import { migrate } from "../../edge/registry/schema.ts";
import { WebhookEvents, type WebhookEvent } from "../../edge/registry/webhook-events.ts";
import { sqlStore } from "../support/sql.ts";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const NOW = Date.UTC(2026, 10, 22);

function watch() {
  const store = sqlStore();
  migrate(store.sql, (step) => store.transactionSync(step));
  const seen: WebhookEvent[] = [];
  const watched = new WebhookEvents(store.sql);
  let arrives = true;
  return {
    watched,
    seen,
    fail: () => (arrives = false),
    recover: () => (arrives = true),
    ring: async (now: number, mappings: Mapping[] = []) => {
      watched.enqueueDue(mappings, [], now);
      await watched.deliver(async (event) => {
        seen.push(event);
        return arrives;
      }, now);
    },
  };
}

test("a site that is away for a minute is told once, and so is its return", async () => {
  const { watched, seen, ring } = watch();
  watched.presence("lab", true, NOW);
  expect(watched.nextDue([], [], NOW)).toBeNull();
  watched.presence("lab", false, NOW + MINUTE);
  expect(watched.nextDue([], [], NOW + MINUTE)).toBe(NOW + 2 * MINUTE);
  await ring(NOW + 2 * MINUTE);
  await ring(NOW + 3 * MINUTE);
  watched.presence("lab", true, NOW + 4 * MINUTE);
  await ring(NOW + 4 * MINUTE);
  expect(seen.map(({ event, site }) => [event, site])).toEqual([
    ["site-offline", "lab"],
    ["site-online", "lab"],
  ]);
  expect(watched.nextDue([], [], NOW + 5 * MINUTE)).toBeNull();
});

test("a site that is back within a minute is no news", async () => {
  const { watched, seen, ring } = watch();
  watched.presence("lab", true, NOW);
  watched.presence("lab", false, NOW + 1_000);
  watched.presence("lab", true, NOW + 30_000);
  expect(watched.nextDue([], [], NOW + 30_000)).toBeNull();
  await ring(NOW + 2 * MINUTE);
  expect(seen).toEqual([]);
});

test("a site that went away before the clock was set back is told at once, not when that time comes again", async () => {
  const { watched, seen, ring } = watch();
  watched.presence("lab", true, NOW);
  watched.presence("lab", false, NOW + 2 * DAY);
  expect(watched.nextDue([], [], NOW)).toBe(NOW);
  await ring(NOW);
  expect(seen.map(({ event }) => event)).toEqual(["site-offline"]);
});

test("an end is told a week ahead, once; and the alarm is set for that day", async () => {
  const { watched, seen, ring } = watch();
  const mapping = { endpoint: "8080/tcp", site: "lab", expires: NOW + 30 * DAY } as Mapping;
  expect(watched.nextDue([mapping], [], NOW)).toBe(NOW + 23 * DAY);
  await ring(NOW + 22 * DAY, [mapping]);
  expect(seen).toEqual([]);
  await ring(NOW + 23 * DAY, [mapping]);
  await ring(NOW + 24 * DAY, [mapping]);
  expect(seen).toMatchObject([
    { event: "mapping-expires", subject: "8080/tcp", text: "the mapping 8080/tcp ends on 2026-12-22" },
  ]);
});

test("what could not be delivered is sent again, later and later", async () => {
  const { watched, seen, ring, fail, recover } = watch();
  watched.presence("lab", true, NOW);
  watched.presence("lab", false, NOW);
  fail();
  const at = NOW + MINUTE;
  await ring(at);
  expect(watched.nextDue([], [], at)).toBe(at + 15_000);
  await ring(at + 15_000);
  expect(watched.nextDue([], [], at)).toBe(at + 15_000 + 30_000);
  recover();
  await ring(at + 45_000);
  expect(seen).toHaveLength(3);
  expect(watched.nextDue([], [], at)).toBeNull();
});

test("of refused logins the first is told at once, those that follow once an hour, with their number and the last source", async () => {
  const { watched, seen, ring } = watch();
  const refuse = (count: number, now: number): void => watched.refusedLogins(count, `192.0.2.${count}`, true, now);
  refuse(1, NOW);
  expect(watched.nextDue([], [], NOW)).toBe(NOW);
  await ring(NOW);
  expect(watched.nextDue([], [], NOW)).toBeNull();
  refuse(3, NOW + 10 * MINUTE);
  refuse(7, NOW + 20 * MINUTE);
  expect(watched.nextDue([], [], NOW + 20 * MINUTE)).toBe(NOW + 60 * MINUTE);
  await ring(NOW + 30 * MINUTE);
  expect(seen).toHaveLength(1);
  await ring(NOW + 60 * MINUTE);
  await ring(NOW + 61 * MINUTE);
  expect(watched.nextDue([], [], NOW + 61 * MINUTE)).toBeNull();
  refuse(2, NOW + 300 * MINUTE);
  await ring(NOW + 300 * MINUTE);
  expect(seen).toEqual([
    {
      event: "logins-refused",
      at: "2026-11-22T00:00:00.000Z",
      site: null,
      subject: "192.0.2.1",
      text: "a login from 192.0.2.1 was refused at 2026-11-22 00:00 UTC",
    },
    {
      event: "logins-refused",
      at: "2026-11-22T00:10:00.000Z",
      site: null,
      subject: "192.0.2.7",
      text: "10 logins were refused since 2026-11-22 00:10 UTC, the last from 192.0.2.7",
    },
    {
      event: "logins-refused",
      at: "2026-11-22T05:00:00.000Z",
      site: null,
      subject: "192.0.2.2",
      text: "2 logins were refused since 2026-11-22 05:00 UTC, the last from 192.0.2.2",
    },
  ]);
  expect(watched.refusedTotal).toBe(13);
});

test("where there is no webhook, refused logins are counted, and a webhook that comes later is not told of them", async () => {
  const { watched, seen, ring } = watch();
  watched.refusedLogins(5, "192.0.2.1", false, NOW);
  expect(watched.nextDue([], [], NOW)).toBeNull();
  await ring(NOW + DAY);
  expect(seen).toEqual([]);
  expect(watched.refusedTotal).toBe(5);
});
