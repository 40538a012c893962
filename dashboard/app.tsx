import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { MappingView } from "../shared/rule/api.ts";
import { Header } from "./parts/header.tsx";
import { Toasts } from "./parts/toast.tsx";
import { hrefOf, useRoute, type Route } from "./route.ts";
import { useStore } from "./state.ts";
import { Access } from "./views/access.tsx";
import { Audit } from "./views/audit.tsx";
import { Import } from "./views/import.tsx";
import { Log } from "./views/log.tsx";
import { Login } from "./views/login.tsx";
import { MappingForm } from "./views/mapping-form.tsx";
import { MappingPage } from "./views/mapping.tsx";
import { Overview } from "./views/overview.tsx";

export function App(): JSX.Element {
  const session = useStore((state) => state.session);
  if (session === undefined) return <main class="waiting" aria-busy="true" aria-label="Loading" />;
  return (
    <>
      {session === null ? <Login /> : <Inside />}
      <Toasts />
    </>
  );
}

function Inside(): JSX.Element {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const key = JSON.stringify(route);
  const first = useRef(true);
  // Screen readers and the keyboard continue at the start of the new view.
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus();
    scrollTo(0, 0);
    document.title = `${titleOf(route)} · Sallyport`;
  }, [key]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skip(event, main.current)}>
        Skip to the content
      </a>
      <Header route={route} />
      <main id="main" ref={main} tabIndex={-1}>
        <View key={key} route={route} />
      </main>
    </>
  );
}

function skip(event: MouseEvent, main: HTMLElement | null): void {
  // The part after # holds the route, so the link must not change it.
  event.preventDefault();
  main?.focus();
}

function View({ route }: { route: Route }): JSX.Element {
  switch (route.view) {
    case "overview":
      return <Overview />;
    case "mapping":
      return <OneMapping endpoint={route.endpoint} edit={route.edit} />;
    case "new":
      return <NewMapping site={route.site} />;
    case "import":
      return <Import />;
    case "access":
      return <Access />;
    case "log":
      return <Log endpoint={route.endpoint} />;
    case "audit":
      return <Audit />;
  }
}

function OneMapping({ endpoint, edit }: { endpoint: string; edit: boolean }): JSX.Element {
  const mappings = useStore((state) => state.mappings);
  const mapping = mappings?.find((each) => each.endpoint === endpoint);
  if (mappings === undefined) return <p class="faint">Loading…</p>;
  if (mapping === undefined) return <Gone endpoint={endpoint} />;
  // The form keeps the version it started with: if others change the mapping meanwhile, the edge refuses the save instead of
  // overwriting their change.
  return edit ? <EditMapping mapping={mapping} /> : <MappingPage mapping={mapping} />;
}

function EditMapping({ mapping }: { mapping: MappingView }): JSX.Element {
  const [start] = useState(mapping);
  return <MappingForm mapping={start} site={start.site} />;
}

function NewMapping({ site }: { site: string }): JSX.Element {
  const status = useStore((state) => state.status);
  if (status === undefined) return <p class="faint">Loading…</p>;
  return <MappingForm mapping={undefined} site={site} />;
}

function Gone({ endpoint }: { endpoint: string }): JSX.Element {
  return (
    <p>
      {endpoint} is not mapped. <a href={hrefOf({ view: "overview" })}>All mappings</a>
    </p>
  );
}

function titleOf(route: Route): string {
  switch (route.view) {
    case "overview":
      return "Overview";
    case "mapping":
      return route.endpoint;
    case "new":
      return "New mapping";
    case "import":
      return "Import";
    case "access":
      return "Access";
    case "log":
      return "Log";
    case "audit":
      return "Audit";
  }
}
