import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { IssuedView } from "../../shared/rule/api.ts";
import { adminCommand, agentCommand, connectCommand, gatewayCommand, installCommand } from "../commands.ts";
import { moment } from "../format.ts";
import { Copyable } from "../parts/copyable.tsx";
import { Qr } from "../parts/qr.tsx";
import { useStore } from "../state.ts";

type Props = { issued: IssuedView; endpoint: string; onClose: () => void };

/** A new token, shown once: to be copied, scanned, or pasted as part of a command. */
export function IssuedToken({ issued, endpoint, onClose }: Props): JSX.Element {
  const url = useStore((state) => state.session?.url) ?? "";
  const [qr, setQr] = useState(false);
  const { token, kind, site, expires } = issued;
  return (
    <div class="issued">
      <p>
        Copy it now: it is not shown again. It is valid until {moment(expires)}. Anyone who has it can use it, so hand
        it over as you would a key.
      </p>
      <Use issued={issued} endpoint={endpoint} url={url} />
      <h3>The token alone</h3>
      <Copyable text={token} label={`${kind} token`} secret />
      {qr ? (
        <Qr text={token} label={`The ${kind} token${site === null ? "" : ` of ${site}`} as a QR code`} />
      ) : (
        <button type="button" onClick={() => setQr(true)}>
          Show as a QR code
        </button>
      )}
      <p class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          I have it
        </button>
      </p>
    </div>
  );
}

function Use({ issued, endpoint, url }: { issued: IssuedView; endpoint: string; url: string }): JSX.Element {
  const { token, kind, site } = issued;
  switch (kind) {
    case "agent":
      return (
        <>
          <h3>On a machine inside {site ?? "the site"}</h3>
          <Copyable text={agentCommand(issued)} label="Command that starts the agent" />
          <p class="hint">
            The token contains the edge's URL, so the agent needs nothing else. Once it works, make it a service:{" "}
            <code>{installCommand(site ?? "agent")}</code>
          </p>
        </>
      );
    case "visitor":
      return (
        <>
          <h3>On the visitor's machine</h3>
          <Copyable text={connectCommand(endpoint, token)} label="Command that connects" />
        </>
      );
    case "gateway":
      return (
        <>
          <h3>On the machine with the public address</h3>
          <Copyable text={gatewayCommand(token)} label="Command that starts the gateway" />
        </>
      );
    case "admin":
      return (
        <>
          <h3>In a shell</h3>
          <Copyable text={adminCommand(url, token)} label="Command that uses the token" />
        </>
      );
  }
}
