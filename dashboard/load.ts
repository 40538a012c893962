import type {
  MappingList,
  MappingView,
  SessionView,
  StatusView,
  TrafficView,
  OpenedSession,
} from "../shared/rule/api.ts";
import { call, ApiError, whenLoggedOut } from "./api.ts";
import { forgetKey, keepKey, sessionKey } from "./key.ts";
import { follow, unfollow } from "./live.ts";
import { INITIAL_STATE, store } from "./state.ts";
import { withHours, withStreams } from "./traffic.ts";

/** Milliseconds to wait for further changes before loading, and the least interval between two loads. */
const DELAY_MS = 300;
const INTERVAL_MS = 2_000;

/** Continues a stored session and loads its data; shows the login page if there is none. */
export async function restoreSession(): Promise<void> {
  whenLoggedOut(leave);
  if (sessionKey() === "") return leave();
  try {
    await enter(await call<SessionView>("GET", "/session"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return;
    store.set({ session: null, loadError: messageOf(error) });
  }
}

/** Opens a session with the admin secret or an admin token. Throws ApiError. */
export async function logIn(secret: string): Promise<void> {
  const { key, ...session } = await call<OpenedSession>("POST", "/session", { secret });
  keepKey(key);
  await enter(session);
}

/** Ends the session, also at the edge if it can be reached. */
export async function logOut(): Promise<void> {
  try {
    await call("DELETE", "/session");
  } catch {
    // Already ended, or the edge can't be reached: then the session expires.
  }
  forgetKey();
  leave();
}

async function enter(session: SessionView): Promise<void> {
  store.set({ session, loadError: "" });
  follow({
    reconnected: () => void refresh("rules", 0),
    changed: (what) => void refresh(what),
    sessionEnded: () => void restoreSession(),
  });
  await refresh("rules", 0);
  const traffic = await attempt(() => call<TrafficView>("GET", "/traffic"));
  if (traffic !== undefined) store.set({ traffic: withHours(store.state.traffic, traffic) });
}

function leave(): void {
  unfollow();
  store.set({ ...INITIAL_STATE, session: null });
}

type Part = "rules" | "presence";

let wanted: Part | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let last = 0;

/** Loads what may have changed: once for several changes, and at most every two seconds. */
export function refresh(what: Part, after = Math.max(DELAY_MS, last + INTERVAL_MS - Date.now())): Promise<void> {
  if (wanted !== "rules") wanted = what;
  clearTimeout(timer);
  return new Promise((resolve) => {
    timer = setTimeout(() => {
      const part = wanted ?? what;
      wanted = undefined;
      last = Date.now();
      void load(part).then(resolve);
    }, after);
  });
}

async function load(what: Part): Promise<void> {
  if (store.state.session === null) return;
  try {
    const [status, register] = await Promise.all([
      call<StatusView>("GET", "/status"),
      what === "rules" ? wholeRegister() : undefined,
    ]);
    store.set({
      status,
      loadError: "",
      traffic: withStreams(store.state.traffic, status.mappings),
      ...(register === undefined ? {} : { ...register, revision: store.state.revision + 1 }),
    });
  } catch (error) {
    store.set({ loadError: messageOf(error) });
  }
}

/** Loads all mappings, page by page. */
async function wholeRegister(): Promise<{ mappings: MappingView[]; tag: string }> {
  const mappings: MappingView[] = [];
  let tag = "";
  for (let next: string | null = ""; next !== null;) {
    const after: string = next === "" ? "" : `&after=${encodeURIComponent(next)}`;
    const page: MappingList = await call<MappingList>("GET", `/mappings?limit=1000${after}`);
    mappings.push(...page.mappings);
    ({ next, tag } = page);
  }
  return { mappings, tag };
}

async function attempt<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
