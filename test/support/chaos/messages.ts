/** What a test says to its programs inside network namespaces (program.ts), and what they answer. */

export type Place = { readonly host: string; readonly port: number };

/**
 * How a stream speaks: `echo` a few bytes every 0.3 s, which come back; `bulk` as much as its rate allows, both ways at once, and what
 * it could not send while it was held up comes at once afterwards; `idle` a few bytes when it is told to.
 */
export type Manner = "echo" | "bulk" | "idle";

/** How one end of a stream is over: `fin` after the ends of both directions, each heard and said in its turn; `cut`: the far end hung up before we had finished; else what the kernel said. */
export type Ending = "fin" | "cut" | "reset" | { readonly error: string };

/** One end of a stream. */
export type StreamView = {
  readonly id: number;
  readonly sent: number;
  readonly received: number;
  /** SHA-256 of both, hex. */
  readonly sentSum: string;
  readonly receivedSum: string;
  /** The first byte that was not the one that had to come; null: all were right. */
  readonly wrongAt: number | null;
  /** Null while it is open. */
  readonly ending: Ending | null;
};

/** What one end of a flow heard of the other. */
export type FlowView = {
  readonly id: number;
  readonly sent: number;
  readonly received: number;
  /** Those that came twice, or that are not what was sent. */
  readonly doubled: number;
  readonly wrong: number;
  /** The oldest that came: milliseconds from when it was sent; and how many came after more than LATE_MS. */
  readonly oldestMs: number;
  readonly late: number;
  /** When the last came was sent, by the clock of `Sight.at`; 0: none came. */
  readonly newest: number;
  /** Addresses that datagrams of this flow came from. */
  readonly peers: number;
};

/** All that a program sees at one moment: milliseconds of the clock that all processes of this machine share. */
export type Sight = {
  readonly at: number;
  readonly streams: readonly StreamView[];
  readonly flows: readonly FlowView[];
};

/** An HTTP request that came to a `hook`. */
export type Heard = { readonly at: number; readonly body: string };

export type Command =
  /** Be a target for streams and flows. */
  | { readonly do: "serve"; readonly at: Place }
  /** Open a stream. */
  | { readonly do: "open"; readonly id: number; readonly at: Place; readonly manner: Manner }
  /** Begin a flow. */
  | { readonly do: "call"; readonly id: number; readonly at: Place }
  /** An idle stream says something. */
  | { readonly do: "say"; readonly ids: readonly number[] }
  /** Streams say what they still have to say, then that it is the end; flows fall silent. */
  | { readonly do: "finish"; readonly ids: readonly number[] }
  | { readonly do: "look" }
  /** Take HTTP requests, and tell them by `heard`. */
  | { readonly do: "hook"; readonly at: Place }
  | { readonly do: "heard" }
  /** Ask a server for a text. */
  | { readonly do: "fetch"; readonly url: string }
  /** A command of `sallyport`, with the logins in this folder (commands.ts). */
  | { readonly do: "perform"; readonly words: readonly string[]; readonly logins: string };

export type Answer = Sight | readonly Heard[] | string | null;

/** Milliseconds after which a datagram is late: many times its deadline, so that a busy machine is not to blame, and less than any path is dark for. */
export const LATE_MS = 5_000;
