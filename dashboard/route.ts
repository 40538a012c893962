import { useEffect, useState } from "preact/hooks";

/** A view of the dashboard. It is kept after the `#` of the URL, so that one page serves all views and links to them work. */
export type Route =
  | { readonly view: "overview" }
  | { readonly view: "mapping"; readonly endpoint: string; readonly edit: boolean }
  | { readonly view: "new"; readonly site: string }
  | { readonly view: "import" }
  | { readonly view: "access" }
  | { readonly view: "log"; readonly endpoint: string }
  | { readonly view: "audit" };

export function hrefOf(route: Route): string {
  switch (route.view) {
    case "overview":
      return "#/";
    case "mapping":
      return `#/mapping/${encodeURIComponent(route.endpoint)}${route.edit ? "/edit" : ""}`;
    case "new":
      return route.site === "" ? "#/new" : `#/new/${encodeURIComponent(route.site)}`;
    case "log":
      return route.endpoint === "" ? "#/log" : `#/log/${encodeURIComponent(route.endpoint)}`;
    case "import":
    case "access":
    case "audit":
      return `#/${route.view}`;
  }
}

export function routeOf(hash: string): Route {
  const [view = "", first = "", second = ""] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  switch (view) {
    case "mapping":
      return first === "" ? { view: "overview" } : { view, endpoint: first, edit: second === "edit" };
    case "new":
      return { view, site: first };
    case "log":
      return { view, endpoint: first };
    case "import":
    case "access":
    case "audit":
      return { view };
    default:
      return { view: "overview" };
  }
}

export function go(route: Route): void {
  location.hash = hrefOf(route);
}

/** Returns the current route, and renders the component again when it changes. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = (): void => setHash(location.hash);
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return routeOf(hash);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
