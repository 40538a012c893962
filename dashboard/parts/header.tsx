import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { logOut } from "../load.ts";
import { hrefOf, type Route } from "../route.ts";
import { useStore } from "../state.ts";
import { setTheme, theme, THEMES, type Theme } from "../theme.ts";
import { Icon } from "./icon.tsx";

const SECTIONS: readonly { readonly name: string; readonly route: Route; readonly views: readonly Route["view"][] }[] =
  [
    { name: "Overview", route: { view: "overview" }, views: ["overview", "mapping", "new", "import"] },
    { name: "Access", route: { view: "access" }, views: ["access"] },
    { name: "Log", route: { view: "log", endpoint: "" }, views: ["log"] },
    { name: "Audit", route: { view: "audit" }, views: ["audit"] },
  ];

const LINKS = { off: "Not connected", waiting: "Connecting…", live: "Live" } as const;

export function Header({ route }: { route: Route }): JSX.Element {
  const link = useStore((state) => state.link);
  const readOnly = useStore((state) => state.session?.readOnly === true);
  return (
    <header class="top">
      <a class="brand" href={hrefOf({ view: "overview" })} aria-label="Sallyport, overview">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path class="arch" d="M4 30V15a12 12 0 0 1 24 0v15z" />
          <path class="door" d="M11 30V17a5 5 0 0 1 10 0v13z" />
        </svg>
        <span>Sallyport</span>
      </a>
      <nav aria-label="Main">
        {SECTIONS.map(({ name, route: to, views }) => (
          <a key={name} href={hrefOf(to)} aria-current={views.includes(route.view) ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <span class="tools">
        {readOnly ? <span class="badge plain">read-only</span> : null}
        <span class={`link ${link}`} role="status">
          {LINKS[link]}
        </span>
        <ThemeButton />
        <button type="button" class="quiet" aria-label="Log out" title="Log out" onClick={() => void logOut()}>
          <Icon name="exit" />
        </button>
      </span>
    </header>
  );
}

const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;

function ThemeButton(): JSX.Element {
  const [now, setNow] = useState<Theme>(theme());
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "auto";
  const label = `Colours: ${now}. Change to ${next}`;
  const change = (): void => {
    setTheme(next);
    setNow(next);
  };
  return (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={change}>
      <Icon name={THEME_ICONS[now]} />
    </button>
  );
}
