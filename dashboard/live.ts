import { KEY_PROTOCOL, LIVE_PROTOCOL, type LiveMessage } from "../shared/rule/live.ts";
import { API } from "./api.ts";
import { sessionKey } from "./key.ts";
import { store } from "./state.ts";
import { withReport } from "./traffic.ts";

/** Close code from the edge: the session has ended. */
const SESSION_ENDED = 4401;
/** Milliseconds between pings. They keep the connection open; the platform answers without waking the registry. */
const PING_MS = 40_000;
/** Milliseconds in the background after which the page disconnects. */
const HIDDEN_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Limit on ended connections kept for display. */
const MAX_ENDED = 300;

interface LiveListener {
  /** Called when the connection is open again; changes in between were missed. */
  readonly reconnected: () => void;
  readonly changed: (what: "rules" | "presence") => void;
  readonly sessionEnded: () => void;
}

let listener: LiveListener | undefined;
let socket: WebSocket | undefined;
let retryMs = FIRST_RETRY_MS;
let timers: ReturnType<typeof setTimeout>[] = [];
let hidden: ReturnType<typeof setTimeout> | undefined;

/** Opens the edge's live feed and keeps it open while the page is visible; reconnects when it is lost. */
export function follow(next: LiveListener): void {
  unfollow();
  listener = next;
  document.addEventListener("visibilitychange", onVisibility);
  dial(false);
}

export function unfollow(): void {
  listener = undefined;
  document.removeEventListener("visibilitychange", onVisibility);
  hangUp();
  retryMs = FIRST_RETRY_MS;
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
  else if (socket === undefined && listener !== undefined) dial(true);
}

/** Opens the WebSocket. `again`: not for the first time, so changes may have been missed. */
function dial(again: boolean): void {
  const opened = new WebSocket(`${location.origin.replace(/^http/, "ws")}${API}/live`, [
    LIVE_PROTOCOL,
    `${KEY_PROTOCOL}${sessionKey()}`,
  ]);
  socket = opened;
  store.set({ link: "waiting" });
  opened.addEventListener("open", () => {
    retryMs = FIRST_RETRY_MS;
    store.set({ link: "live" });
    if (again) listener?.reconnected();
    schedulePing(opened);
  });
  opened.addEventListener("message", ({ data }) => {
    if (typeof data === "string" && data !== "pong") receive(JSON.parse(data) as LiveMessage);
  });
  opened.addEventListener("close", ({ code }) => {
    if (socket !== opened) return;
    socket = undefined;
    store.set({ link: "waiting" });
    if (code === SESSION_ENDED) return void listener?.sessionEnded();
    timers.push(setTimeout(() => dial(true), retryMs * (0.75 + Math.random() / 2)));
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
  });
}

function schedulePing(open: WebSocket): void {
  timers.push(
    setTimeout(() => {
      if (socket !== open) return;
      open.send("ping");
      schedulePing(open);
    }, PING_MS),
  );
}

function receive(message: LiveMessage): void {
  const { traffic, ended } = store.state;
  switch (message.type) {
    case "changed":
      listener?.changed(message.what);
      return;
    case "traffic":
      store.set({ traffic: withReport(traffic, message, Date.now()) });
      return;
    case "connections":
      store.set({ ended: [...ended, ...message.connections].slice(-MAX_ENDED) });
  }
}
