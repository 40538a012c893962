import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { GrantView, TokenView } from "../../shared/rule/api.ts";
import { targetsName } from "../../shared/address/target-rule.ts";
import { call } from "../api.ts";
import { moment } from "../format.ts";
import { refresh } from "../load.ts";
import { Badge } from "../parts/badge.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Copyable } from "../parts/copyable.tsx";
import { Fault } from "../parts/fault.tsx";
import { Icon } from "../parts/icon.tsx";
import { notify } from "../parts/toast.tsx";
import { Table } from "../parts/table.tsx";
import { When } from "../parts/when.tsx";
import { useNow, useStore } from "../state.ts";
import { useAnswer } from "../use-answer.ts";
import { IssueToken } from "./issue-token.tsx";
import { MakeGrant } from "./make-grant.tsx";

/** Who may do what: tokens, and grants for visitors that can't hold one. */
export function Access(): JSX.Element {
  return (
    <>
      <h1 class="hidden">Access</h1>
      <Tokens />
      <Grants />
    </>
  );
}

function Tokens(): JSX.Element {
  const revision = useStore((state) => state.revision);
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const { answer, error } = useAnswer<{ tokens: TokenView[] }>("/tokens?limit=1000", revision);
  const [issuing, setIssuing] = useState(false);
  const [old, setOld] = useState(false);
  const now = useNow();
  const all = (answer?.tokens ?? []).toReversed();
  const good = all.filter(({ revoked, expires }) => !revoked && Date.parse(expires) > now);
  const shown = old ? all : good;
  return (
    <section aria-labelledby="tokens">
      <div class="heading">
        <h2 id="tokens">Tokens</h2>
        {readOnly ? null : (
          <button type="button" class="primary" onClick={() => setIssuing(true)}>
            <Icon name="plus" /> Issue a token
          </button>
        )}
      </div>
      <Fault error={error} />
      <Table titles={["Who", "May", "Issued", "Ends", "State"]} actions>
        {shown.map((token) => (
          <Token key={token.jti} token={token} now={now} readOnly={readOnly} />
        ))}
      </Table>
      {all.length === good.length ? null : (
        <label class="check">
          <input type="checkbox" checked={old} onChange={(event) => setOld(event.currentTarget.checked)} />
          Show {all.length - good.length} revoked and expired ones too
        </label>
      )}
      {issuing ? <IssueToken start={{ kind: "agent" }} onClose={() => setIssuing(false)} /> : null}
    </section>
  );
}

type TokenProps = { token: TokenView; now: number; readOnly: boolean };

function Token({ token, now, readOnly }: TokenProps): JSX.Element {
  const [asked, setAsked] = useState(false);
  const { jti, kind, sub, issued, issuedBy, expires, revoked } = token;
  const isOver = revoked || Date.parse(expires) <= now;
  const revoke = async (): Promise<void> => {
    await call("DELETE", `/tokens/${encodeURIComponent(jti)}`);
    notify(`The token of ${sub} is revoked`);
    await refresh("rules");
  };
  return (
    <tr class={isOver ? "over" : ""}>
      <th scope="row" data-title="Who" title={jti}>
        {sub}
      </th>
      <td data-title="May">{scopeText(token)}</td>
      <td data-title="Issued" title={`by ${issuedBy}`}>
        <When at={issued} now={now} />
      </td>
      <td data-title="Ends" title={moment(expires)}>
        <When at={expires} now={now} />
      </td>
      <td data-title="State">
        {revoked ? (
          <Badge tone="bad">revoked</Badge>
        ) : isOver ? (
          <Badge tone="plain">expired</Badge>
        ) : (
          <Badge tone="good">good</Badge>
        )}
      </td>
      <td>
        {readOnly || isOver ? null : (
          <button
            type="button"
            class="link-button"
            aria-label={`Revoke the token of ${sub}`}
            onClick={() => setAsked(true)}
          >
            Revoke
          </button>
        )}
        {asked ? (
          <Confirm
            title={`Revoke the token of ${sub}?`}
            action="Revoke the token"
            onConfirm={revoke}
            onClose={() => setAsked(false)}
          >
            {kind === "agent"
              ? "Its agent is disconnected at once, and what visitors have open through it is cut. A new agent needs a new token."
              : "What was opened with it is cut at once. It can't be taken back: its holder needs a new one."}
          </Confirm>
        ) : null}
      </td>
    </tr>
  );
}

function scopeText({ kind, scope }: TokenView): string {
  if (kind === "agent") return `dial ${targetsName(scope) ?? scope.join(", ")}`;
  if (kind === "admin")
    return scope.includes("read-only") ? `look${browser(scope)}` : `change everything${browser(scope)}`;
  return `${kind === "gateway" ? "own" : "open"} ${scope.includes("*") ? "all endpoints" : scope.join(", ")}`;
}

function browser(scope: readonly string[]): string {
  return scope.includes("browser") ? ", in a browser" : "";
}

function Grants(): JSX.Element {
  const revision = useStore((state) => state.revision);
  const readOnly = useStore((state) => state.session?.readOnly === true);
  const { answer, error } = useAnswer<{ grants: GrantView[] }>("/grants?limit=1000", revision);
  const [making, setMaking] = useState(false);
  const now = useNow();
  const grants = answer?.grants ?? [];
  return (
    <section aria-labelledby="grants">
      <div class="heading">
        <h2 id="grants">Grants</h2>
        {readOnly ? null : (
          <button type="button" onClick={() => setMaking(true)}>
            <Icon name="plus" /> Grant access
          </button>
        )}
      </div>
      <Fault error={error} />
      {grants.length > 0 ? (
        <Table titles={["For", "Endpoints", "Admits", "Ends"]} actions>
          {grants.map((grant) => (
            <Grant key={grant.id} grant={grant} now={now} readOnly={readOnly} />
          ))}
        </Table>
      ) : answer === undefined ? null : (
        <div class="empty">
          <p>
            A grant lets one visitor's address in for a while, by a link that works once: for a camera app, a player or
            a phone that can't hold a token. Nobody has one now.
          </p>
          <Copyable text="sallyport grant 8090/tcp --for 2h --to Ann" label="Command that makes a grant" />
        </div>
      )}
      {making ? <MakeGrant endpoints={[]} onClose={() => setMaking(false)} /> : null}
    </section>
  );
}

type GrantProps = { grant: GrantView; now: number; readOnly: boolean };

function Grant({ grant, now, readOnly }: GrantProps): JSX.Element {
  const [asked, setAsked] = useState(false);
  const { id, to, endpoints, addresses, until, by } = grant;
  const who = to === "" ? "somebody" : to;
  const end = async (): Promise<void> => {
    await call("DELETE", `/grants/${encodeURIComponent(id)}`);
    notify(`The grant for ${who} has ended`);
    await refresh("rules");
  };
  return (
    <tr>
      <th scope="row" data-title="For" title={`made by ${by}`}>
        {who}
      </th>
      <td data-title="Endpoints">{endpoints.join(", ")}</td>
      <td data-title="Admits">
        {addresses.length === 0 ? <span class="faint">nobody yet: its link is unused</span> : addresses.join(", ")}
      </td>
      <td data-title="Ends">
        <When at={until} now={now} />
      </td>
      <td>
        {readOnly ? null : (
          <button
            type="button"
            class="link-button"
            aria-label={`End the grant for ${who}`}
            onClick={() => setAsked(true)}
          >
            End
          </button>
        )}
        {asked ? (
          <Confirm
            title={`End the grant for ${who}?`}
            action="End the grant"
            onConfirm={end}
            onClose={() => setAsked(false)}
          >
            What it let in is cut at once, and its link is good for nothing any more.
          </Confirm>
        ) : null}
      </td>
    </tr>
  );
}
