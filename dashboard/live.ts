import { KEY_PROTOCOL, LIVE_PROTOCOL, type LiveMessage } from "../shared/rule/live.ts";
import { API } from "./api.ts";
import { sessionKey } from "./key.ts";
import { store } from "./state.ts";
import { withReport } from "./traffic.ts";

/** Close code of the edge: the login has ended. */
const OVER = 4401;
/** Milliseconds between two pings, which the platform answers without waking anybody: they keep the way open. */
const PING_MS = 40_000;
/** Milliseconds in the background after which a page stops watching. */
const HIDDEN_MS = 60_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** Connections that are kept for showing. */
const MOST_ENDED = 300;

interface Follower {
  /** It is there, again perhaps: what was missed is not known. */
  readonly up: () => void;
  readonly changed: (what: "rules" | "presence") => void;
  readonly over: () => void;
}

let follower: Follower | undefined;
let socket: WebSocket | undefined;
let wait = FIRST_WAIT_MS;
let timers: ReturnType<typeof setTimeout>[] = [];
let hidden: ReturnType<typeof setTimeout> | undefined;

/** Watches the edge, from now on and for as long as the page is looked at. */
export function follow(next: Follower): void {
  unfollow();
  follower = next;
  document.addEventListener("visibilitychange", onVisibility);
  dial(false);
}

export function unfollow(): void {
  follower = undefined;
  document.removeEventListener("visibilitychange", onVisibility);
  hangUp();
  wait = FIRST_WAIT_MS;
}

function hangUp(): void {
  for (const timer of timers) clearTimeout(timer);
  timers = [];
  const old = socket;
  socket = undefined;
  old?.close(1000);
  store.set({ link: "off" });
}

function onVisibility(): void {
  clearTimeout(hidden);
  if (document.visibilityState === "hidden") hidden = setTimeout(hangUp, HIDDEN_MS);
  else if (socket === undefined && follower !== undefined) dial(true);
}

/** `again`: something may have been missed. */
function dial(again: boolean): void {
  const fresh = new WebSocket(`${location.origin.replace(/^http/, "ws")}${API}/live`, [
    LIVE_PROTOCOL,
    `${KEY_PROTOCOL}${sessionKey()}`,
  ]);
  socket = fresh;
  store.set({ link: "waiting" });
  fresh.addEventListener("open", () => {
    wait = FIRST_WAIT_MS;
    store.set({ link: "live" });
    if (again) follower?.up();
    keepAwake(fresh);
  });
  fresh.addEventListener("message", ({ data }) => {
    if (typeof data === "string" && data !== "pong") hear(JSON.parse(data) as LiveMessage);
  });
  fresh.addEventListener("close", ({ code }) => {
    if (socket !== fresh) return;
    socket = undefined;
    store.set({ link: "waiting" });
    if (code === OVER) return void follower?.over();
    timers.push(setTimeout(() => dial(true), wait * (0.75 + Math.random() / 2)));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  });
}

function keepAwake(open: WebSocket): void {
  timers.push(
    setTimeout(() => {
      if (socket !== open) return;
      open.send("ping");
      keepAwake(open);
    }, PING_MS),
  );
}

function hear(message: LiveMessage): void {
  const { traffic, ended } = store.state;
  switch (message.type) {
    case "changed":
      follower?.changed(message.what);
      return;
    case "traffic":
      store.set({ traffic: withReport(traffic, message, Date.now()) });
      return;
    case "connections":
      store.set({ ended: [...ended, ...message.connections].slice(-MOST_ENDED) });
  }
}
