// The page's half of the session; the other half is a cookie that no script can read (edge/api/cookie.ts). Unlike cookies,
// localStorage belongs to one origin, including its port.

const NAME = "sallyport-session-key";

/** Returns the session's key, or "" if there is none. */
export function sessionKey(): string {
  return localStorage.getItem(NAME) ?? "";
}

export function keepKey(key: string): void {
  localStorage.setItem(NAME, key);
}

export function forgetKey(): void {
  localStorage.removeItem(NAME);
}
