/** The one place for the version; package.json is checked against it. */
export const VERSION = "0.1.0";

/** Wire protocol version, said in HELLO (docs/protocol.md 3.1). */
export const PROTOCOL = 1;
