import { type Endpoint, formatEndpoint, type HttpEndpoint, parseEndpoint, transports } from "../address/endpoint.ts";
import { misfitOf } from "./fields.ts";
import type { HttpOptions, MappingDraft } from "./mapping-input.ts";
import { rangeSize } from "../address/ports.ts";
import { unwrap, ok, type Result } from "../result.ts";
import { type Parsed, sourcesOf } from "./parsed.ts";
import { formatHostPort } from "../address/socket-address.ts";
import { formatTarget, parseTarget, stretch, type Target } from "../address/target.ts";

type Fields = Omit<MappingDraft, "access"> & { readonly access?: MappingDraft["access"] | undefined };

/** Checks that endpoint, target and options fit together, and fills in the values that follow from them. */
export function checkTogether(fields: Fields, httpDefaults: HttpOptions): Result<Parsed<MappingDraft>> {
  const endpoint = unwrap(parseEndpoint(fields.endpoint));
  const target = fitTarget(endpoint, unwrap(parseTarget(fields.target)));
  if (!target.ok) return { ok: false, error: { path: "target", ...target.error } };
  const misfit =
    wrongSite(endpoint, fields) ?? wrongAccess(endpoint, fields) ?? wrongOption(endpoint, target.value, fields);
  if (misfit) return misfit;
  const mapping: MappingDraft = {
    ...fields,
    target: formatTarget(target.value),
    access: fields.access ?? (endpoint.kind === "service" ? "token" : "public"),
    http: endpoint.kind === "http" ? (fields.http ?? httpDefaults) : null,
  };
  return ok({ mapping, endpoint, target: target.value, sources: sourcesOf(mapping) });
}

/** Returns the target in the form that the endpoint needs: with as many ports, or as a URL for HTTP. */
function fitTarget(endpoint: Endpoint, target: Target): Result<Target> {
  if (endpoint.kind === "http") return fitHttp(endpoint, target);
  switch (target.kind) {
    case "port":
      return stretch(target, endpoint.kind === "port" ? endpoint : { first: target.first, last: target.first });
    case "http":
      return bad("A URL can't be the target of a byte stream.", `Write ${formatHostPort(target.host, target.port)}.`);
    case "http+unix":
      return bad("An HTTP server can't be the target of a byte stream.", `Write unix:${target.path}.`);
    case "unix":
      if (endpoint.kind === "port" && (rangeSize(endpoint) > 1 || transports(endpoint).includes("udp"))) {
        return bad("A socket serves one TCP port, not a range and not UDP.");
      }
      return ok(target);
  }
}

/** Reads a bare `host:port` of an HTTP endpoint as `http://`; `https://` has to be written. */
function fitHttp(endpoint: HttpEndpoint, target: Target): Result<Target> {
  switch (target.kind) {
    case "http":
    case "http+unix":
      return ok(target);
    case "unix":
      return ok({ kind: "http+unix", path: target.path });
    case "port":
      if (rangeSize(target) > 1) return bad(`${formatEndpoint(endpoint)} has one target, not a range of ports.`);
      return ok({ kind: "http", scheme: "http", host: target.host, port: target.first });
  }
}

function wrongSite(endpoint: Endpoint, { site }: Fields): Result<never> | undefined {
  if (endpoint.kind !== "service" || endpoint.site === site) return undefined;
  return bad(
    `${formatEndpoint(endpoint)} is a service of ${endpoint.site}, not of ${site}.`,
    `Write ${site}/${endpoint.name}.`,
    "endpoint",
  );
}

function wrongAccess(endpoint: Endpoint, { access }: Fields): Result<never> | undefined {
  if (endpoint.kind !== "service" || access !== "public") return undefined;
  return bad("SITE/NAME has no public port, so it can't be public.", "Leave access at token, or map a port.", "access");
}

function wrongOption(endpoint: Endpoint, target: Target, fields: Fields): Result<never> | undefined {
  const { http } = fields;
  if (http && endpoint.kind !== "http") return bad("http: only an http(s):// endpoint has these options.");
  if (http && !isTls(target) && (!http.tlsVerify || http.ca !== null || http.sni !== null)) {
    return bad(
      "http: tlsVerify, ca and sni are for https:// targets.",
      "Write the target as https://HOST[:PORT], or leave them out.",
    );
  }
  if (http && http.ca !== null && !http.tlsVerify) return bad("http: a ca without tlsVerify would check nothing.");
  if (http?.prefix === "strip" && endpoint.kind === "http" && !endpoint.prefix)
    return bad("http: there is no prefix to strip.");
  const misfit = misfitOf(fields, endpoint, fields.target);
  if (misfit !== undefined) return bad(`${misfit.name}: ${misfit.misfit}`);
  return undefined;
}

function isTls(target: Target): boolean {
  return target.kind === "http" && target.scheme === "https";
}

/** Makes a fault. A field at the start of `message` becomes its path. */
function bad(message: string, fix?: string, path = /^([A-Za-z]+): /.exec(message)?.[1]): Result<never> {
  const error = { code: "bad-mapping" as const, message, ...(fix === undefined ? {} : { fix }) };
  return { ok: false, error: path === undefined ? error : { ...error, path } };
}
