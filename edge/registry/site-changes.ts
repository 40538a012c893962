import { parseName } from "../../shared/address/name.ts";
import { done, invalid, refused, type Outcome, type Problem } from "../problem.ts";
import type { Site } from "./sites.ts";
import type { Actor } from "./actor.ts";
import type { Store } from "./store.ts";

/** Adds a site. */
export function addSite(store: Store, text: string, actor: Actor): Outcome<Site> {
  const name = parseName(text, "site");
  if (!name.ok) return invalid(name.error);
  if (store.sites.find(name.value) !== undefined) {
    return refused({
      status: 409,
      code: "site-exists",
      title: "Site exists",
      detail: `There is already a site ${name.value}.`,
      fix: "Use it, or choose another name.",
    });
  }
  store.sites.add(name.value, actor.now);
  store.journal.audit(actor, "site add", name.value);
  const site = store.sites.find(name.value);
  return site === undefined ? refused(noSuchSiteProblem(name.value)) : done(site);
}

/** Removes a site and revokes its agents' tokens. Refused while the site has mappings. */
export function removeSite(store: Store, name: string, actor: Actor): Outcome<{ name: string; revoked: string[] }> {
  if (store.sites.find(name) === undefined) return refused(noSuchSiteProblem(name));
  const [first, ...more] = store.mappings.ofSite(name);
  if (first !== undefined) {
    return refused({
      status: 409,
      code: "site-in-use",
      title: "Site in use",
      detail: `${name} still has ${more.length + 1} mapping${more.length === 0 ? "" : "s"}: ${[first, ...more].map(({ endpoint }) => endpoint).join(", ")}.`,
      fix: `Remove them first: sallyport map rm ${first.endpoint}`,
    });
  }
  const revoked = store.tokens.revokeSite(name, actor.now);
  store.sites.remove(name, actor.now);
  store.journal.audit(actor, "site rm", name, revoked.length === 0 ? "" : `revoked ${revoked.join(", ")}`);
  return done({ name, revoked });
}

export function noSuchSiteProblem(name: string): Problem {
  return {
    status: 404,
    code: "no-such-site",
    title: "Not found",
    detail: `There is no site ${JSON.stringify(name)}.`,
    fix: "sallyport site ls lists all sites; sallyport site add NAME adds one.",
  };
}
