import { useEffect, useState } from "preact/hooks";
import type { ConnectionView, MappingView, SessionView, StatusView } from "../shared/rule/api.ts";
import type { Traffic } from "./traffic.ts";

/** What the page knows of the edge. Replaced, never changed in place. */
export interface State {
  /** Null: nobody is logged in; undefined: not known yet. */
  readonly session: SessionView | null | undefined;
  readonly status: StatusView | undefined;
  readonly mappings: readonly MappingView[] | undefined;
  /** Names the register as it was read, for If-Match. */
  readonly tag: string;
  readonly traffic: Traffic;
  /** Moves when sites, mappings, tokens or grants were changed by anybody. */
  readonly revision: number;
  /** The last connections that ended while the page was open, oldest first. */
  readonly ended: readonly ConnectionView[];
  readonly link: "off" | "live" | "waiting";
  /** Why what is shown may be old. */
  readonly loadError: string;
}

type Listener = () => void;

/** Holds one value, and tells when there is another. */
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

/** A part of the state; whoever uses it is drawn again when that part is another. */
export function useStore<T>(select: (state: State) => T): T {
  const [value, setValue] = useState(() => select(store.state));
  useEffect(() => {
    const look = (): void => setValue(() => select(store.state));
    look();
    return store.subscribe(look);
    // What is selected never depends on what changes between two renderings.
  }, []);
  return value;
}

/** The time, in milliseconds since 1970, drawn again every `every` milliseconds while the page is visible. */
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
