import { expect, test } from "vitest";
import { readDemand, storedDemand } from "../../edge/relay/lanes/stored-demand.ts";

test("a demand that an earlier version stored in a socket is read, and one that is stored is as that version reads it", () => {
  expect(readDemand({ wants: 1_000, stuck: 20 })).toEqual({ bytes: 1_000, unread: 20 });
  expect(storedDemand({ bytes: 3, unread: 4 })).toEqual({ wants: 3, stuck: 4 });
});
