import type { IssuedView } from "../shared/rule/api.ts";

// Commands to paste into a shell.

/** Puts a text into single quotes where a shell would interpret it. */
function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Starts an agent. The token goes into a file that only its owner can read, never onto a command line, which `ps` shows. */
export function agentCommand({ token, site }: Pick<IssuedView, "token" | "site">): string {
  const file = `${site ?? "agent"}.token`;
  return `(umask 077; printf '%s\\n' ${shellQuoted(token)} > ${file})\nagent --token-file ${file}`;
}

/** Installs the agent as a service that starts with the machine. */
export function installCommand(site: string): string {
  return `sudo agent install --token-file ${site}.token`;
}

/** Opens an endpoint from a visitor's machine. */
export function connectCommand(endpoint: string, token: string): string {
  const port = /\/ssh$|^22\//.test(endpoint) ? 2222 : 8888;
  return `(umask 077; printf '%s\\n' ${shellQuoted(token)} > sallyport.token)\nsallyport connect ${shellQuoted(endpoint)}=127.0.0.1:${port} --token-file sallyport.token`;
}

export function gatewayCommand(token: string): string {
  return `(umask 077; printf '%s\\n' ${shellQuoted(token)} > gateway.token)\nsallyport gateway --token-file gateway.token`;
}

/** Uses an admin token in a shell. */
export function adminCommand(url: string, token: string): string {
  return `export SALLYPORT_EDGE=${shellQuoted(url)} SALLYPORT_ADMIN_TOKEN=${shellQuoted(token)}\nsallyport status`;
}
