import type { MappingDraft } from "../shared/rule/mapping-input.ts";

/** The fields of a mapping as a form has them: what people type. */
export interface Form {
  readonly endpoint: string;
  readonly site: string;
  readonly target: string;
  readonly name: string;
  readonly owner: string;
  readonly note: string;
  readonly access: "" | "public" | "token";
  /** One on a line. */
  readonly allow: string;
  readonly deny: string;
  /** As an input of the browser's has it: local time, without a zone. */
  readonly expires: string;
  readonly maxStreams: string;
  readonly newPerSecond: string;
  readonly bytesPerSecond: string;
  readonly proxyProtocol: "" | "v1" | "v2";
  readonly onLoss: "close" | "hang";
  readonly idleSeconds: string;
  readonly reflectorOk: boolean;
  readonly hostHeader: string;
  readonly tlsVerify: boolean;
  readonly ca: string;
  readonly sni: string;
  readonly prefix: "keep" | "strip";
  readonly rewrite: boolean;
}

export const EMPTY: Form = {
  endpoint: "",
  site: "",
  target: "",
  name: "",
  owner: "",
  note: "",
  access: "",
  allow: "",
  deny: "",
  expires: "",
  maxStreams: "",
  newPerSecond: "",
  bytesPerSecond: "",
  proxyProtocol: "",
  onLoss: "close",
  idleSeconds: "",
  reflectorOk: false,
  hostHeader: "visitor",
  tlsVerify: true,
  ca: "",
  sni: "",
  prefix: "keep",
  rewrite: true,
};

/** A rule as a form. */
export function formOf(rule: MappingDraft): Form {
  const { http, allow, deny, expires, proxyProtocol } = rule;
  const { endpoint, site, target, name, owner, note, access, onLoss, reflectorOk } = rule;
  return {
    ...EMPTY,
    ...{ endpoint, site, target, name, owner, note, access, onLoss, reflectorOk },
    allow: allow.join("\n"),
    deny: deny.join("\n"),
    expires: expires === null ? "" : localTime(expires),
    maxStreams: shown(rule.maxStreams),
    newPerSecond: shown(rule.newPerSecond),
    bytesPerSecond: shown(rule.bytesPerSecond),
    idleSeconds: shown(rule.idleSeconds),
    proxyProtocol: proxyProtocol ?? "",
    ...(http === null ? {} : { ...http, ca: http.ca ?? "", sni: http.sni ?? "" }),
  };
}

/** What was typed, for `parseMapping` and for the API: every field is said, so that an emptied one goes back to its default. */
export function inputOf(form: Form): Record<string, unknown> {
  const endpoint = form.endpoint.trim();
  const { access, onLoss, reflectorOk, proxyProtocol } = form;
  return {
    endpoint,
    site: form.site,
    target: form.target.trim(),
    name: form.name.trim(),
    owner: form.owner.trim(),
    note: form.note.trim(),
    ...(access === "" ? {} : { access }),
    allow: lines(form.allow),
    deny: lines(form.deny),
    expires: form.expires === "" ? null : new Date(form.expires).toISOString(),
    maxStreams: number(form.maxStreams),
    newPerSecond: number(form.newPerSecond),
    bytesPerSecond: number(form.bytesPerSecond),
    idleSeconds: number(form.idleSeconds),
    proxyProtocol: proxyProtocol === "" ? null : proxyProtocol,
    onLoss,
    reflectorOk,
    http: /^https?:/i.test(endpoint) ? httpOf(form) : null,
  };
}

function httpOf({ hostHeader, tlsVerify, ca, sni, prefix, rewrite }: Form): object {
  return {
    hostHeader: hostHeader.trim() === "" ? "visitor" : hostHeader.trim(),
    tlsVerify,
    ca: ca.trim() === "" ? null : ca,
    sni: sni.trim() === "" ? null : sni.trim(),
    prefix,
    rewrite,
  };
}

function lines(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

function number(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}

function shown(value: number | null): string {
  return value === null ? "" : String(value);
}

/** A moment as `<input type="datetime-local">` takes it. */
function localTime(ms: number): string {
  const minutes = new Date(ms).getTimezoneOffset();
  return new Date(ms - minutes * 60_000).toISOString().slice(0, 16);
}
