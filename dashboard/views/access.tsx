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

/** The view of tokens, and of grants for visitors that can't hold a token. */
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
      <Table titles={["Holder", "Allows", "Issued", "Expires", "State"]} actions>
        {shown.map((token) => (
          <Token key={token.jti} token={token} now={now} readOnly={readOnly} />
        ))}
      </Table>
      {all.length === good.length ? null : (
        <label class="check">
          <input type="checkbox" checked={old} onChange={(event) => setOld(event.currentTarget.checked)} />
          Show revoked and expired tokens too ({all.length - good.length})
        </label>
      )}
      {issuing ? <IssueToken start={{ kind: "agent" }} onClose={() => setIssuing(false)} /> : null}
    </section>
  );
}

type TokenProps = { token: TokenView; now: number; readOnly: boolean };

function Token({ token, now, readOnly }: TokenProps): JSX.Element {
  const [isConfirming, setConfirming] = useState(false);
  const { jti, kind, sub, issued, issuedBy, expires, revoked } = token;
  const isOver = revoked || Date.parse(expires) <= now;
  const revoke = async (): Promise<void> => {
    await call("DELETE", `/tokens/${encodeURIComponent(jti)}`);
    notify(`Revoked the token of ${sub}`);
    await refresh("rules");
  };
  return (
    <tr class={isOver ? "over" : ""}>
      <th scope="row" data-title="Holder" title={jti}>
        {sub}
      </th>
      <td data-title="Allows">{scopeText(token)}</td>
      <td data-title="Issued" title={`by ${issuedBy}`}>
        <When at={issued} now={now} />
      </td>
      <td data-title="Expires" title={moment(expires)}>
        <When at={expires} now={now} />
      </td>
      <td data-title="State">
        {revoked ? (
          <Badge tone="bad">revoked</Badge>
        ) : isOver ? (
          <Badge tone="plain">expired</Badge>
        ) : (
          <Badge tone="good">valid</Badge>
        )}
      </td>
      <td>
        {readOnly || isOver ? null : (
          <button
            type="button"
            class="link-button"
            aria-label={`Revoke the token of ${sub}`}
            onClick={() => setConfirming(true)}
          >
            Revoke
          </button>
        )}
        {isConfirming ? (
          <Confirm
            title={`Revoke the token of ${sub}?`}
            action="Revoke the token"
            onConfirm={revoke}
            onClose={() => setConfirming(false)}
          >
            {kind === "agent"
              ? "Its agent is disconnected and visitors' connections through it are cut at once. This can't be undone: the agent needs a new token to connect again."
              : "Connections opened with it are cut at once. This can't be undone: its holder needs a new token."}
          </Confirm>
        ) : null}
      </td>
    </tr>
  );
}

function scopeText({ kind, scope }: TokenView): string {
  if (kind === "agent") return `dial ${targetsName(scope) ?? scope.join(", ")}`;
  if (kind === "admin")
    return scope.includes("read-only") ? `read only${browser(scope)}` : `change everything${browser(scope)}`;
  return `${kind === "gateway" ? "serve" : "open"} ${scope.includes("*") ? "all endpoints" : scope.join(", ")}`;
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
        <Table titles={["For", "Endpoints", "Addresses let in", "Ends"]} actions>
          {grants.map((grant) => (
            <Grant key={grant.id} grant={grant} now={now} readOnly={readOnly} />
          ))}
        </Table>
      ) : answer === undefined ? null : (
        <div class="empty">
          <p>
            A grant lets in one visitor's address for a limited time, by a link that works once: for a camera app, a
            player or a phone that can't use a token. There are no grants now.
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
  const [isConfirming, setConfirming] = useState(false);
  const { id, to, endpoints, addresses, until, by } = grant;
  const who = to === "" ? "a visitor" : to;
  const end = async (): Promise<void> => {
    await call("DELETE", `/grants/${encodeURIComponent(id)}`);
    notify(`Ended the grant for ${who}`);
    await refresh("rules");
  };
  return (
    <tr>
      <th scope="row" data-title="For" title={`made by ${by}`}>
        {who}
      </th>
      <td data-title="Endpoints">{endpoints.join(", ")}</td>
      <td data-title="Addresses let in">
        {addresses.length === 0 ? (
          <span class="faint">none yet: its link has not been used</span>
        ) : (
          addresses.join(", ")
        )}
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
            onClick={() => setConfirming(true)}
          >
            End
          </button>
        )}
        {isConfirming ? (
          <Confirm
            title={`End the grant for ${who}?`}
            action="End the grant"
            onConfirm={end}
            onClose={() => setConfirming(false)}
          >
            Connections that it let in are cut at once, and its link stops working.
          </Confirm>
        ) : null}
      </td>
    </tr>
  );
}
