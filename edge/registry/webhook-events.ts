import type { Mapping } from "../../shared/rule/mapping.ts";
import type { Sql } from "./sql.ts";
import type { IssuedToken } from "./tokens.ts";

/**
 * Milliseconds a site may be without agents before the webhook is notified, so that a restart or a change of network is not
 * reported.
 */
const OFFLINE_AFTER_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/**
 * Days before an expiry at which it is reported. Agents renew their tokens long before, so a token this close to its end was not
 * renewed.
 */
const WARN_DAYS = 7;
/** Attempts to deliver one event, with doubled pauses: a webhook that is unreachable for a day misses it. */
const MAX_TRIES = 12;
const FIRST_RETRY_MS = 15_000;

/** The JSON body sent to a webhook. `text`: a sentence for people. */
export type WebhookEvent = {
  event: "site-offline" | "site-online" | "mapping-expires" | "token-expires" | "logins-refused";
  /** ISO 8601 time at which it happened or will happen. */
  at: string;
  site: string | null;
  subject: string;
  text: string;
};

/** `told`: the value of `online` that was last sent to the webhook. */
type Presence = { site: string; online: number; since: number; told: number };
/** `untold`: refused logins not yet reported to the webhook, the first at `since`. `told`: time of the last report. */
type RefusedCount = { total: number; untold: number; since: number; told: number; source: string };
type Waiting = { n: number; event: string; tries: number };

/** The tables of events for the webhook: what was reported, what is waiting, and what will be due. */
export class WebhookEvents {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Notes that a site has got its first agent, or lost its last. */
  presence(site: string, isOnline: boolean, now: number): void {
    const online = isOnline ? 1 : 0;
    this.#sql.exec(
      `INSERT INTO presence (site, online, since, told) VALUES (?, ?, ?, ?)
       ON CONFLICT (site) DO UPDATE SET since = excluded.since, online = excluded.online WHERE online != excluded.online`,
      site,
      online,
      now,
      1,
    );
  }

  /** Counts refused logins, the last of them from `source`. `hasWebhook`: also queue them for the webhook. */
  refusedLogins(count: number, source: string, hasWebhook: boolean, now: number): void {
    const untold = hasWebhook ? count : 0;
    this.#sql.exec(
      `INSERT INTO refused_logins (one, total, untold, since, source) VALUES (1, ?, ?, ?, ?)
       ON CONFLICT (one) DO UPDATE SET total = total + excluded.total, source = excluded.source,
         since = CASE untold WHEN 0 THEN excluded.since ELSE since END, untold = untold + excluded.untold`,
      count,
      untold,
      now,
      source,
    );
  }

  /** Number of logins refused since this edge was created. */
  get refusedTotal(): number {
    return this.#refused?.total ?? 0;
  }

  get #refused(): RefusedCount | undefined {
    return this.#sql.exec<RefusedCount>("SELECT total, untold, since, told, source FROM refused_logins").toArray()[0];
  }

  /** Puts refused logins into the outbox: the first at once, later ones together once an hour. */
  #enqueueRefused(now: number): void {
    const refused = this.#refused;
    if (refused === undefined || refused.untold === 0 || now < refused.told + HOUR_MS) return;
    const { untold, since, source } = refused;
    this.#sql.exec("UPDATE refused_logins SET untold = 0, told = ?", now);
    const when = `${iso(since).slice(0, 16).replace("T", " ")} UTC`;
    const text =
      untold === 1
        ? `a login from ${source} was refused at ${when}`
        : `${untold} logins were refused since ${when}, the last from ${source}`;
    this.#enqueue({ event: "logins-refused", at: iso(since), site: null, subject: source, text }, now);
  }

  /** Puts all due events into the outbox. */
  enqueueDue(mappings: readonly Mapping[], tokens: readonly IssuedToken[], now: number): void {
    const changed = this.#sql
      .exec<Presence>("SELECT site, online, since, told FROM presence WHERE online != told")
      .toArray();
    for (const { site, online, since } of changed) {
      // A `since` in the future was written before the clock was set back.
      if (online === 0 && since <= now && now - since < OFFLINE_AFTER_MS) continue;
      this.#sql.exec("UPDATE presence SET told = ? WHERE site = ?", online, site);
      const what = online === 1 ? "is back" : "has no agent: its targets can't be reached";
      this.#enqueue(
        {
          event: online === 1 ? "site-online" : "site-offline",
          at: iso(since),
          site,
          subject: site,
          text: `${site} ${what}`,
        },
        now,
      );
    }
    for (const expiry of expiries(mappings, tokens, now)) {
      if (expiry.at - now > WARN_DAYS * DAY_MS) continue;
      if (this.#isNoticed(expiry)) continue;
      this.#sql.exec("INSERT INTO notices (key, at) VALUES (?, ?)", keyOf(expiry), now);
      const { event, site, subject } = expiry;
      this.#enqueue(
        { event, at: iso(expiry.at), site, subject, text: `${expiry.what} ends on ${iso(expiry.at).slice(0, 10)}` },
        now,
      );
    }
    this.#enqueueRefused(now);
    this.#sql.exec("DELETE FROM notices WHERE at < ?", now - 400 * DAY_MS);
  }

  /** Sends the events that are due in the outbox. `send` returns true if the event arrived; otherwise it is retried later. */
  async deliver(send: (event: WebhookEvent) => Promise<boolean>, now: number): Promise<void> {
    for (const { n, event, tries } of this.#sql
      .exec<Waiting>("SELECT n, event, tries FROM outbox WHERE due <= ? ORDER BY n", now)
      .toArray()) {
      const arrived = await send(JSON.parse(event) as WebhookEvent);
      if (arrived || tries + 1 >= MAX_TRIES) this.#sql.exec("DELETE FROM outbox WHERE n = ?", n);
      else
        this.#sql.exec(
          "UPDATE outbox SET tries = tries + 1, due = ? WHERE n = ?",
          now + FIRST_RETRY_MS * 2 ** tries,
          n,
        );
    }
  }

  /** Returns the time at which the next event or retry is due, in milliseconds since 1970; null if none is. */
  nextDue(mappings: readonly Mapping[], tokens: readonly IssuedToken[], now: number): number | null {
    const offline = this.#sql
      .exec<Presence>("SELECT site, online, since, told FROM presence WHERE online != told")
      .toArray();
    const waiting = this.#sql.exec<{ due: number }>("SELECT due FROM outbox").toArray();
    const refused = this.#refused;
    const times = [
      ...offline.map(({ online, since }) => (online === 1 || since > now ? now : since + OFFLINE_AFTER_MS)),
      ...waiting.map(({ due }) => due),
      ...(refused === undefined || refused.untold === 0 ? [] : [Math.max(now, refused.told + HOUR_MS)]),
      ...expiries(mappings, tokens, now)
        .filter((expiry) => !this.#isNoticed(expiry))
        .map(({ at }) => Math.max(now, at - WARN_DAYS * DAY_MS)),
    ];
    return times.length === 0 ? null : Math.min(...times);
  }

  #isNoticed(expiry: Expiry): boolean {
    return this.#sql.exec("SELECT key FROM notices WHERE key = ?", keyOf(expiry)).toArray().length > 0;
  }

  #enqueue(event: WebhookEvent, now: number): void {
    this.#sql.exec("INSERT INTO outbox (event, tries, due) VALUES (?, 0, ?)", JSON.stringify(event), now);
  }
}

type Expiry = {
  event: "mapping-expires" | "token-expires";
  at: number;
  site: string | null;
  subject: string;
  what: string;
};

/** Identifies an expiry that is reported once; another date for the same subject is a new expiry. */
function keyOf({ event, subject, at }: Expiry): string {
  return `${event} ${subject} ${at}`;
}

/** Lists the expiries in the future. */
function expiries(mappings: readonly Mapping[], tokens: readonly IssuedToken[], now: number): Expiry[] {
  const rules = mappings.flatMap(({ endpoint, site, expires }): Expiry[] =>
    expires === null
      ? []
      : [{ event: "mapping-expires", at: expires, site, subject: endpoint, what: `the mapping ${endpoint}` }],
  );
  // Visitor and admin tokens are short-lived on purpose.
  const lasting = tokens.filter(({ kind, revoked }) => revoked === null && (kind === "agent" || kind === "gateway"));
  const passes = lasting.map(({ kind, jti, sub, site, expires }): Expiry => ({
    event: "token-expires",
    at: expires,
    site,
    subject: jti,
    what: `the ${kind} token ${jti} of ${sub}`,
  }));
  return [...rules, ...passes].filter(({ at }) => at > now);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
