import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { ROOT } from "../../../scripts/tool.ts";
import type { History } from "./history.ts";
import { tell } from "./history.ts";
import { live, type Account } from "./live.ts";
import { world, type World } from "./world.ts";

/** Lives through histories, each in a world of its own, so many at a time. What a history that went wrong was logged is in test-results/. */
export async function liveAll(
  context: TestContext,
  histories: readonly History[],
  atOnce: number,
  told: (account: Account) => void,
): Promise<Account[]> {
  const accounts: Account[] = [];
  const waiting = histories.values();
  const worker = async (): Promise<void> => {
    for (const history of waiting) {
      const account = await one(context, history);
      accounts.push(account);
      told(account);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return accounts;
}

async function one(context: TestContext, history: History): Promise<Account> {
  await using all = await world(context);
  const account = await live(all, history);
  if (account.wrong.length > 0) await keepLogs(all, history, account);
  return account;
}

async function keepLogs(all: World, history: History, account: Account): Promise<void> {
  const folder = join(ROOT, "test-results/chaos");
  await mkdir(folder, { recursive: true });
  const logs = (["serve", "agent", "client", "gateway"] as const).map((each) => `--- ${each}\n${all.run(each).stderr}`);
  const text = [history.name, tell(history), ...account.wrong, ...logs].join("\n");
  await writeFile(join(folder, `${history.name.replaceAll(" ", "-")}.log`), text);
}
