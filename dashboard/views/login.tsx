import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { logIn } from "../load.ts";
import { useStore } from "../state.ts";
import { Fault } from "../parts/fault.tsx";

/** The login page: opens a session for the admin secret or an admin token. */
export function Login(): JSX.Element {
  const loadError = useStore((state) => state.loadError);
  const [secret, setSecret] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await logIn(secret);
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <svg class="gate" viewBox="0 0 32 32" aria-hidden="true">
        <path class="arch" d="M4 30V15a12 12 0 0 1 24 0v15z" />
        <path class="door" d="M11 30V17a5 5 0 0 1 10 0v13z" />
        <path class="way" d="M14 24h9m-4-4 4 4-4 4" />
      </svg>
      <h1>Sallyport</h1>
      <form onSubmit={(event) => void submit(event)}>
        <label for="secret">Admin secret or admin token</label>
        <input
          id="secret"
          type="password"
          autocomplete="current-password"
          required
          value={secret}
          onInput={(event) => setSecret(event.currentTarget.value)}
        />
        <button class="primary" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
        <Fault error={error ?? (loadError === "" ? undefined : new Error(loadError))} />
      </form>
      <details>
        <summary>Where do I find it?</summary>
        <p>
          On a self-hosted edge the secret is in <code>admin-secret</code> in the folder given to{" "}
          <code>sallyport serve --data</code>. On Cloudflare it is what was set with{" "}
          <code>wrangler secret put ADMIN_SECRET</code>.
        </p>
        <p>
          For read-only access, log in with a token from <code>sallyport token admin --read-only</code>.
        </p>
      </details>
    </main>
  );
}
