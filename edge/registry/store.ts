import { mappingForRelay } from "../../shared/rule/fields.ts";
import { Grants } from "./grants.ts";
import { Journal } from "./journal.ts";
import { Keys } from "./keys.ts";
import { Mappings } from "./mappings.ts";
import type { Retention } from "./retention.ts";
import { migrate } from "./schema.ts";
import { Sites, type Site } from "./sites.ts";
import type { SqlStore } from "./sql.ts";
import { TokenBytesTable } from "./token-bytes.ts";
import { Tokens } from "./tokens.ts";
import { TrafficTable } from "./traffic.ts";
import type { SiteRules } from "./types.ts";
import { Urls } from "./urls.ts";
import { UsageTable } from "./usage.ts";
import { WebhookEvents } from "./webhook-events.ts";

/** All tables of the registry, in the object's SQLite. */
export class Store {
  readonly urls: Urls;
  readonly keys: Keys;
  readonly sites: Sites;
  readonly mappings: Mappings;
  readonly grants: Grants;
  readonly tokens: Tokens;
  readonly tokenBytes: TokenBytesTable;
  readonly journal: Journal;
  readonly usage: UsageTable;
  readonly traffic: TrafficTable;
  readonly webhookEvents: WebhookEvents;

  constructor(storage: SqlStore, keep?: Retention) {
    migrate(storage.sql, (step) => storage.transactionSync(step));
    this.urls = new Urls(storage.sql);
    this.keys = new Keys(storage.sql);
    this.sites = new Sites(storage.sql);
    this.mappings = new Mappings(storage.sql);
    this.grants = new Grants(storage.sql);
    this.tokens = new Tokens(storage.sql);
    this.tokenBytes = new TokenBytesTable(storage.sql);
    this.journal = new Journal(storage.sql, keep);
    this.usage = new UsageTable(storage.sql);
    this.traffic = new TrafficTable(storage.sql);
    this.webhookEvents = new WebhookEvents(storage.sql);
  }

  /** Returns the rules for a site's relay; empty ones for a removed site. */
  rulesOf(site: Site, now: number): SiteRules {
    const mappings = this.mappings.ofSite(site.name);
    const since = this.mappings.reassignments.all();
    return {
      site: site.name,
      revision: site.revision,
      mappings: mappings.map(mappingForRelay),
      reassigned: Object.fromEntries(mappings.flatMap(({ id }) => (since.has(id) ? [[id, since.get(id) ?? 0]] : []))),
      grants: this.grants.live(now).filter((grant) => mappings.some(({ id }) => grant.mappings.includes(id))),
      revoked: this.tokens.revokedAt(site.name, now),
    };
  }
}
