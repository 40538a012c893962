import { expect, test } from "vitest";
import { ResolverCache } from "../../agent/resolver-cache.ts";

/** A resolver that answers when it is told to. */
function resolver() {
  const asked: string[] = [];
  const pending = new Map<string, PromiseWithResolvers<{ address: string }[]>>();
  const world = { now: 0 };
  const cache = new ResolverCache(
    (host) => {
      asked.push(host);
      const answer = Promise.withResolvers<{ address: string }[]>();
      pending.set(host, answer);
      return answer.promise;
    },
    () => world.now,
  );
  return { asked, pending, world, cache };
}

test("a thousand visitors of a name whose server is silent are one question, and another name is asked at once", async () => {
  const { asked, pending, cache } = resolver();
  const waiting = Array.from({ length: 1_000 }, () => cache.resolve("silent.lan"));
  const other = cache.resolve("camera.lan");
  pending.get("camera.lan")?.resolve([{ address: "10.0.0.5" }]);
  expect(await other).toEqual(["10.0.0.5"]);
  expect(asked).toEqual(["silent.lan", "camera.lan"]);
  pending.get("silent.lan")?.reject(Object.assign(new Error("try again"), { code: "EAI_AGAIN" }));
  expect(await Promise.all(waiting)).toEqual(Array.from({ length: 1_000 }, () => null));
});

test("a name that does not exist is told from a resolver that can't say", async () => {
  const { pending, cache } = resolver();
  const [none, unknown] = [cache.resolve("none.lan"), cache.resolve("unknown.lan")];
  pending.get("none.lan")?.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND" }));
  pending.get("unknown.lan")?.reject(new Error("no answer"));
  expect([await none, await unknown]).toEqual([[], null]);
});

test("an answer, a refusal too, serves for a second, then the name is asked for again", async () => {
  const { asked, pending, world, cache } = resolver();
  const first = cache.resolve("camera.lan");
  world.now = 5_000;
  pending.get("camera.lan")?.resolve([{ address: "10.0.0.5" }]);
  await first;
  world.now = 5_999;
  expect(await cache.resolve("camera.lan")).toEqual(["10.0.0.5"]);
  world.now = 6_000;
  const again = cache.resolve("camera.lan");
  pending.get("camera.lan")?.resolve([{ address: "10.0.0.6" }]);
  expect(await again).toEqual(["10.0.0.6"]);
  expect(asked).toEqual(["camera.lan", "camera.lan"]);
});

test("a flood of names does not fill the memory", async () => {
  const cache = new ResolverCache(async (host) => [{ address: host }]);
  for (let n = 0; n < 5_000; n += 1) await cache.resolve(`x${n}`);
  expect(await cache.resolve("x4999")).toEqual(["x4999"]);
});
