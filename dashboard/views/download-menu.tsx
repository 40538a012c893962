import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { FORMATS, registerText, type Format } from "../../shared/rule/register-text.ts";
import { Icon } from "../parts/icon.tsx";
import { store } from "../state.ts";

const NAMES: Readonly<Record<Format, string>> = {
  md: "Markdown, for people",
  csv: "CSV, for spreadsheets",
  json: "JSON, for programs",
  toml: "TOML, to import again",
};

const TYPES: Readonly<Record<Format, string>> = {
  md: "text/markdown",
  csv: "text/csv",
  json: "application/json",
  toml: "application/toml",
};

/** A menu that downloads all mappings as a file, as `sallyport map export` writes it. */
export function DownloadMenu(): JSX.Element {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = (event: KeyboardEvent | FocusEvent): void => {
    const isLeaving =
      event instanceof KeyboardEvent ? event.key === "Escape" : !inside(menu.current, event.relatedTarget);
    if (isLeaving && menu.current !== null) menu.current.open = false;
  };
  return (
    <details class="menu" ref={menu} onKeyDown={close} onFocusOut={close}>
      <summary class="button">
        <Icon name="download" /> Download
      </summary>
      <div class="menu-items">
        {FORMATS.map((format) => (
          <button key={format} type="button" onClick={() => download(format)}>
            {NAMES[format]}
          </button>
        ))}
      </div>
    </details>
  );
}

function inside(menu: HTMLElement | null, target: EventTarget | null): boolean {
  return target instanceof Node && menu?.contains(target) === true;
}

function download(format: Format): void {
  const { mappings = [], session } = store.state;
  const text = registerText(mappings, format, session?.url ?? location.origin);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: TYPES[format] }));
  link.download = `sallyport-register-${new Date().toISOString().slice(0, 10)}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
