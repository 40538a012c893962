import * as z from "zod";
import * as api from "../../shared/rule/api.ts";
import { LiveMessage } from "../../shared/rule/live.ts";
import { MappingInput } from "../../shared/rule/mapping-input.ts";
import { VERSION } from "../../shared/wire/version.ts";
import { Archive } from "../registry/archive.ts";
import { GrantRequest } from "../registry/grant-changes.ts";
import { Revocations } from "../registry/carry-over.ts";
import { TokenRequest } from "../registry/token-request.ts";
import { AuditQuery } from "./audit.ts";
import { LogQuery } from "./log.ts";
import { LoginBody } from "./login.ts";
import { ExposeBody } from "./expose.ts";
import { ApplyBody } from "./mappings.ts";
import { PageQuery } from "./pages.ts";
import { SessionBody } from "./session.ts";
import { SiteBody } from "./sites.ts";
import { TestQuery } from "./test.ts";

/** One operation. Its parameters and bodies are described by the same schemas that check them. */
type Operation = {
  method: "get" | "post" | "put" | "patch" | "delete";
  path: string;
  summary: string;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Takes If-Match; answers 412 when the resource has changed since. */
  ifMatch?: true;
  status?: 101 | 201;
  answer: z.ZodType;
};

const OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/login",
    summary: "Get an admin token for the admin secret",
    body: LoginBody,
    answer: api.LoginView,
  },
  {
    method: "post",
    path: "/session",
    summary: "Open a browser session; answers a cookie, and a key that each request must send as X-Sallyport-Session",
    body: SessionBody,
    status: 201,
    answer: api.OpenedSession,
  },
  { method: "get", path: "/session", summary: "Get the holder of the admin token in use", answer: api.SessionView },
  { method: "delete", path: "/session", summary: "End the browser session in use", answer: api.EndedSession },
  { method: "get", path: "/sites", summary: "List sites, page by page", query: PageQuery, answer: api.SiteList },
  {
    method: "post",
    path: "/sites",
    summary: "Add a site",
    body: SiteBody,
    status: 201,
    answer: api.SiteView,
  },
  { method: "delete", path: "/sites/{name}", summary: "Remove a site that has no mappings", answer: api.RemovedSite },
  {
    method: "get",
    path: "/tokens",
    summary: "List issued tokens, page by page",
    query: PageQuery,
    answer: api.TokenList,
  },
  {
    method: "post",
    path: "/tokens",
    summary: "Issue a token; only this answer contains it",
    body: TokenRequest,
    status: 201,
    answer: api.IssuedView,
  },
  {
    method: "delete",
    path: "/tokens/{jti}",
    summary: "Revoke a token, and cut the streams it opened",
    answer: api.TokenView,
  },
  {
    method: "post",
    path: "/revocations",
    summary: "After a restore: end what a later state of this edge had ended",
    body: Revocations,
    answer: api.CarriedOverView,
  },
  {
    method: "get",
    path: "/mappings",
    summary: "List mappings, page by page",
    query: PageQuery,
    answer: api.MappingList,
  },
  {
    method: "post",
    path: "/mappings",
    summary: "Add a mapping",
    body: MappingInput,
    status: 201,
    answer: api.MappingAnswer,
  },
  {
    method: "put",
    path: "/mappings",
    summary: "Replace all mappings, all or nothing",
    body: ApplyBody,
    ifMatch: true,
    answer: api.ApplyAnswer,
  },
  { method: "get", path: "/mappings/{endpoint}", summary: "Get a mapping", answer: api.MappingAnswer },
  {
    method: "patch",
    path: "/mappings/{endpoint}",
    summary: "Change some fields of a mapping",
    body: MappingInput.partial(),
    ifMatch: true,
    answer: api.MappingAnswer,
  },
  {
    method: "delete",
    path: "/mappings/{endpoint}",
    summary: "Remove a mapping, and cut its streams",
    ifMatch: true,
    answer: api.RemovedAnswer,
  },
  {
    method: "get",
    path: "/grants",
    summary: "List grants that have not ended, page by page",
    query: PageQuery,
    answer: api.GrantList,
  },
  {
    method: "post",
    path: "/grants",
    summary: "Let one visitor in for a limited time, by a one-time link",
    body: GrantRequest,
    status: 201,
    answer: api.MadeGrantView,
  },
  {
    method: "delete",
    path: "/grants/{id}",
    summary: "End a grant, and cut the streams it let in",
    answer: api.GrantView,
  },
  {
    method: "get",
    path: "/status",
    summary: "Get the state of sites, agents and mappings, with warnings",
    answer: api.StatusView,
  },
  { method: "get", path: "/log", summary: "List the last connections", query: LogQuery, answer: api.ConnectionList },
  { method: "get", path: "/audit", summary: "List the last changes", query: AuditQuery, answer: api.AuditList },
  {
    method: "get",
    path: "/test",
    summary: "Test the path from a visitor to a target, hop by hop",
    query: TestQuery,
    answer: api.TestAnswer,
  },
  {
    method: "get",
    path: "/usage",
    summary: "Get the billed units of each site on each day of this month",
    answer: api.UsageList,
  },
  {
    method: "get",
    path: "/traffic",
    summary: "Get the bytes of each mapping in each minute of the last hour",
    answer: api.TrafficView,
  },
  {
    method: "get",
    path: "/live",
    summary: "Open a WebSocket (sub-protocol sallyport.live.v1) that reports changes",
    status: 101,
    answer: LiveMessage,
  },
  {
    method: "get",
    path: "/archive",
    summary: "Export all data of the registry, except private keys and connections",
    answer: Archive,
  },
  {
    method: "post",
    path: "/archive",
    summary: "Import such an export into an edge without sites",
    body: Archive,
    status: 201,
    answer: api.ImportedView,
  },
  {
    method: "put",
    path: "/expose",
    summary: "Add or renew an ad-hoc mapping for five minutes, with an agent token that has `publish`",
    body: ExposeBody,
    answer: api.MappingAnswer,
  },
  {
    method: "delete",
    path: "/expose/{endpoint}",
    summary: "Remove an ad-hoc mapping, with the token of the agent that made it",
    answer: api.RemovedAnswer,
  },
  { method: "get", path: "/keys", summary: "List the keys that sign tokens", answer: api.KeyList },
  {
    method: "post",
    path: "/keys",
    summary: "Make a new signing key; older ones stay valid",
    status: 201,
    answer: api.KeyView,
  },
  {
    method: "delete",
    path: "/keys/{kid}",
    summary: "Withdraw a key, and revoke every token it signed",
    answer: api.WithdrawnKey,
  },
];

/** Makes the OpenAPI 3.1 document of the API. */
export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = describe(operation);
  return {
    openapi: "3.1.0",
    info: {
      title: "Sallyport",
      version: VERSION,
      description: "The API of an edge. Endpoints in paths are percent-encoded: 8080%2Ftcp.",
    },
    servers: [{ url: "/.sallyport/api/v1" }],
    security: [{ admin: [] }],
    paths,
    components: {
      securitySchemes: { admin: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: { Problem: z.toJSONSchema(ProblemBody) },
    },
  };
}

/** A problem as in RFC 9457, with the fields that this API adds. */
const ProblemBody = z.object({
  type: z.string(),
  status: z.int(),
  code: z.string().describe("stable; programs may rely on it"),
  title: z.string(),
  detail: z.string(),
  fix: z.string().optional(),
  entry: z.int().optional().describe("index (from 0) of the rule at fault, when several were sent"),
  field: z.string().optional(),
});

function describe({ method, path, summary, query, body, ifMatch, status, answer }: Operation): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const inPath = names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const parameters = [
    ...inPath,
    ...queryParameters(query),
    ...(ifMatch === true ? [{ name: "If-Match", in: "header", schema: { type: "string" } }] : []),
  ];
  const problem = {
    description: "A problem",
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  };
  return {
    operationId: `${method}${path.replace(/[/{}]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } }),
    ...(path === "/login" || (path === "/session" && method === "post") ? { security: [] } : {}),
    responses: {
      [status ?? 200]: { description: "Done", content: { "application/json": { schema: schemaOf(answer) } } },
      default: problem,
    },
  };
}

function queryParameters(query: z.ZodObject | undefined): object[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: Record<string, object>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

/** Converts a schema to JSON Schema as a program sends it: before defaults are filled in and texts are parsed. */
function schemaOf(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
