// The page's half of the session: the other is a cookie that no script can read. Storage is of one origin, port included.

const NAME = "sallyport-session-key";

/** The key of the session, or "". */
export function sessionKey(): string {
  return localStorage.getItem(NAME) ?? "";
}

export function keepKey(key: string): void {
  localStorage.setItem(NAME, key);
}

export function forgetKey(): void {
  localStorage.removeItem(NAME);
}
