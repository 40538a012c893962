/** What a hand-made relay says to an agent that it lets in. */
export const WELCOME = {
  protocol: 1,
  boot: "b",
  instance: "i",
  epoch: 1,
  site: "lab",
  slot: 1,
  budget: 8_000_000,
  /** The edge's clock as it says WELCOME, not as this file is read. */
  get time() {
    return Date.now();
  },
  version: "0.1.0",
  limits: { frameBytes: 65_536, streams: 16_384, opensPerSecond: 400 },
  features: [],
};
