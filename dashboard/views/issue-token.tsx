import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { IssuedView } from "../../shared/rule/api.ts";
import { TOKEN_KINDS, type TokenKind } from "../../shared/rule/claims.ts";
import { call, ApiError } from "../api.ts";
import { refresh } from "../load.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Fault } from "../parts/fault.tsx";
import { Field } from "../parts/field.tsx";
import { useStore } from "../state.ts";
import { IssuedToken } from "./issued-token.tsx";

export type TokenStart = { kind: TokenKind; site?: string; endpoint?: string };

const KINDS: Readonly<Record<TokenKind, string>> = {
  agent: "Agent: runs inside the LAN of a site",
  visitor: "Visitor: reaches endpoints, for example with sallyport connect",
  gateway: "Gateway: serves public ports on another machine",
  admin: "Admin: this dashboard, the commands and the API",
};

const DAY = 86_400;

/** A dialog that issues a token, then shows it once with the command that uses it. */
export function IssueToken({ start, onClose }: { start: TokenStart; onClose: () => void }): JSX.Element {
  const [issued, setIssued] = useState<{ token: IssuedView; endpoint: string }>();
  const title = issued === undefined ? "Issue a token" : `New ${issued.token.kind} token`;
  return (
    <Dialog title={title} onClose={onClose} wide={issued !== undefined}>
      {issued === undefined ? (
        <TokenForm start={start} onIssued={(token, endpoint) => setIssued({ token, endpoint })} onClose={onClose} />
      ) : (
        <IssuedToken issued={issued.token} endpoint={issued.endpoint} onClose={onClose} />
      )}
    </Dialog>
  );
}

type FormProps = { start: TokenStart; onIssued: (token: IssuedView, endpoint: string) => void; onClose: () => void };

function TokenForm({ start, onIssued, onClose }: FormProps): JSX.Element {
  const sites = useStore((state) => state.status?.sites) ?? [];
  const url = useStore((state) => state.session?.url) ?? "";
  const [kind, setKind] = useState<TokenKind>(start.kind);
  const [site, setSite] = useState(start.site ?? sites[0]?.name ?? "");
  const [scope, setScope] = useState(start.endpoint ?? "");
  const [days, setDays] = useState("");
  const [readOnly, setReadOnly] = useState(false);
  const [local, setLocal] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const list = scope.split(/[\s]+/).filter(Boolean);
    const life = days === "" ? undefined : Math.round(Number(days) * DAY);
    const request = requestOf({ kind, site, list, readOnly, local, life });
    try {
      const token = await call<IssuedView>("POST", "/tokens", request);
      void refresh("rules");
      onIssued(token, list[0] ?? "");
    } catch (refusal) {
      setError(refusal);
    }
  };
  const needsLocal = local || (error instanceof ApiError && error.code === "url-loopback");
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Field label="For">
        {(props) => (
          <select {...props} value={kind} onChange={(event) => setKind(event.currentTarget.value as TokenKind)}>
            {TOKEN_KINDS.map((each) => (
              <option key={each} value={each}>
                {KINDS[each]}
              </option>
            ))}
          </select>
        )}
      </Field>
      {kind !== "agent" ? null : (
        <Field label="Site">
          {(props) => (
            <select {...props} value={site} onChange={(event) => setSite(event.currentTarget.value)}>
              {sites.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
        </Field>
      )}
      {kind === "admin" ? (
        <label class="check">
          <input type="checkbox" checked={readOnly} onChange={(event) => setReadOnly(event.currentTarget.checked)} />
          Read-only
        </label>
      ) : (
        <Scope kind={kind} scope={scope} onScope={setScope} />
      )}
      <Field
        label="Valid for, in days"
        hint={
          kind === "agent" || kind === "gateway" ? "Empty: one year. It is renewed automatically." : "Empty: 90 days."
        }
      >
        {(props) => (
          <input
            {...props}
            type="number"
            min="1"
            max="3650"
            value={days}
            onInput={(event) => setDays(event.currentTarget.value)}
          />
        )}
      </Field>
      {kind === "agent" && needsLocal ? (
        <label class="check">
          <input type="checkbox" checked={local} onChange={(event) => setLocal(event.currentTarget.checked)} />
          The agent runs on the edge's own machine ({url} can be reached only from there)
        </label>
      ) : null}
      <Fault error={error} />
      <p class="buttons">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button class="primary">Issue the token</button>
      </p>
    </form>
  );
}

const SCOPES: Readonly<Record<Exclude<TokenKind, "admin">, { label: string; hint: string }>> = {
  agent: {
    label: "Targets it may dial",
    hint: "For example 192.168.2.0/24:80,443, or localhost:3000 for the agent's own machine. Separate several with spaces. Empty: all other machines that the agent's --allow permits.",
  },
  visitor: {
    label: "Endpoints it may open",
    hint: "For example warehouse-3/ssh or 8080/tcp. Separate several with spaces. warehouse-3/* stands for everything of a site.",
  },
  gateway: { label: "Endpoints it may serve", hint: "For example 5060/udp. Separate several with spaces. Empty: all." },
};

type ScopeProps = { kind: Exclude<TokenKind, "admin">; scope: string; onScope: (scope: string) => void };

function Scope({ kind, scope, onScope }: ScopeProps): JSX.Element {
  return (
    <Field label={SCOPES[kind].label} hint={SCOPES[kind].hint}>
      {(props) => (
        <input
          {...props}
          value={scope}
          required={kind === "visitor"}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onScope(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

type Request = {
  kind: TokenKind;
  site: string;
  list: readonly string[];
  readOnly: boolean;
  local: boolean;
  life: number | undefined;
};

function requestOf({ kind, site, list, readOnly, local, life }: Request): object {
  const some = list.length === 0 ? undefined : list;
  switch (kind) {
    case "agent":
      return { kind, site, targets: some, life, ...(local ? { local } : {}) };
    case "visitor":
      return { kind, endpoints: list, life };
    case "gateway":
      return { kind, endpoints: some, life };
    case "admin":
      return { kind, readOnly, life };
  }
}
