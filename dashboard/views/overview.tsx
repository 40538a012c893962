import type { JSX } from "preact";
import { useStore, useNow } from "../state.ts";
import { hrefOf } from "../route.ts";
import { problemsOf } from "../problems.ts";
import { Icon } from "../parts/icon.tsx";
import { FirstSteps } from "./first-steps.tsx";
import { Register } from "./register.tsx";
import { Sites } from "./sites.tsx";

/** The view of problems, sites with their agents, and mappings. */
export function Overview(): JSX.Element {
  const status = useStore((state) => state.status);
  const mappings = useStore((state) => state.mappings);
  const loadError = useStore((state) => state.loadError);
  if (status === undefined || mappings === undefined) {
    if (loadError !== "")
      return (
        <p class="fault" role="alert">
          {loadError}
        </p>
      );
    return (
      <p class="faint" aria-busy="true">
        Loading…
      </p>
    );
  }
  return (
    <>
      <h1 class="hidden">Overview</h1>
      {loadError === "" ? null : <p class="fault" role="alert">{`${loadError} What you see may be out of date.`}</p>}
      <Problems />
      <FirstSteps status={status} />
      {status.sites.length === 0 ? null : <Sites status={status} />}
      {mappings.length === 0 ? null : <Register />}
    </>
  );
}

function Problems(): JSX.Element | null {
  const status = useStore((state) => state.status);
  const now = useNow();
  if (status === undefined) return null;
  const found = problemsOf(status, now);
  if (found.length === 0) return null;
  return (
    <section class="problems" aria-labelledby="problems">
      <h2 id="problems">Problems</h2>
      <ul>
        {found.map(({ tone, text, endpoint }) => (
          <li key={`${endpoint ?? ""}${text}`} class={tone}>
            <Icon name={tone === "bad" ? "failed" : "warning"} />
            <span>
              {endpoint === undefined ? null : (
                <a href={hrefOf({ view: "mapping", endpoint, edit: false })}>{endpoint}</a>
              )}{" "}
              {text}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
