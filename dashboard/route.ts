import { useEffect, useState } from "preact/hooks";

/** Where one is in the dashboard; kept after the `#`, so that one page serves all and links work. */
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

/** The current route; whoever uses it is drawn again when it changes. */
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
