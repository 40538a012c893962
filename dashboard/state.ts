import { useEffect, useState } from "preact/hooks";
import type { ConnectionView, MappingView, SessionView, StatusView } from "../shared/rule/api.ts";
import type { Traffic } from "./traffic.ts";

/** The state of the page. Replaced as a whole, never changed in place. */
export interface State {
  /** Null: not logged in; undefined: not known yet. */
  readonly session: SessionView | null | undefined;
  readonly status: StatusView | undefined;
  readonly mappings: readonly MappingView[] | undefined;
  /** ETag of the list of mappings, for If-Match. */
  readonly tag: string;
  readonly traffic: Traffic;
  /** Counts changes of sites, mappings, tokens and grants, by this page or others. */
  readonly revision: number;
  /** The last connections that ended while the page was open, oldest first. */
  readonly ended: readonly ConnectionView[];
  readonly link: "off" | "live" | "waiting";
  /** Why the last load failed, so that what is shown may be out of date; "" when it succeeded. */
  readonly loadError: string;
}

type Listener = () => void;

/** Holds the state and notifies listeners when it changes. */
class Store {
  #state: State;
  readonly #listeners = new Set<Listener>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const INITIAL_STATE: State = {
  session: undefined,
  status: undefined,
  mappings: undefined,
  tag: "",
  traffic: { rates: new Map(), hours: new Map(), until: 0 },
  revision: 0,
  ended: [],
  link: "off",
  loadError: "",
};

export const store = new Store(INITIAL_STATE);

/** Returns a part of the state, and renders the component again when that part changes. */
export function useStore<T>(select: (state: State) => T): T {
  const [value, setValue] = useState(() => select(store.state));
  useEffect(() => {
    const look = (): void => setValue(() => select(store.state));
    look();
    return store.subscribe(look);
    // The selectors in use depend on nothing but the state, so `select` is no dependency of the effect.
  }, []);
  return value;
}

/** Returns the time in milliseconds since 1970, updated every `every` milliseconds while the page is visible. */
export function useNow(every = 10_000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setNow(Date.now());
    }, every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
