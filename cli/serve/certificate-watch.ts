import type { Log } from "../../link/log.ts";
import { Problem } from "../../link/problem.ts";
import { readTls, type Tls, type TlsFiles } from "./tls.ts";

/** Milliseconds between checks of the files: certificates are renewed weeks before they expire. */
const CHECK_INTERVAL_MS = 60_000;

/** The certificate in use; watches its files and reports when they hold another. */
export class CertificateWatch {
  readonly #files: TlsFiles;
  readonly #log: Log;
  #current: Tls;
  readonly #waiting = new Set<(reason: string) => void>();

  /** Throws Problem when the files can't be used now. */
  constructor(files: TlsFiles, log: Log) {
    this.#files = files;
    this.#log = log;
    this.#current = readTls(files);
  }

  get current(): Tls {
    return this.#current;
  }

  /** Resolves with the reason when the files hold another certificate: workerd has to be restarted to use it. */
  get renewed(): Promise<string> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /** Checks the files, at intervals and on SIGHUP. Ignores a certificate and key that don't match: they may be half written. */
  check(): void {
    try {
      const found = readTls(this.#files);
      if (found.certificate === this.#current.certificate && found.key === this.#current.key) return;
      this.#current = found;
      for (const resolve of this.#waiting) resolve("the certificate was renewed");
      this.#waiting.clear();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#log("warn", "the new certificate is not used", { reason: error.message });
    }
  }

  /** Checks every minute until `signal`. */
  watch(signal: AbortSignal): void {
    const timer = setInterval(() => this.check(), CHECK_INTERVAL_MS);
    timer.unref();
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }
}
