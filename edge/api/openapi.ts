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

/** One operation: what it takes is described by the very schemas that check it. */
type Operation = {
  method: "get" | "post" | "put" | "patch" | "delete";
  path: string;
  summary: string;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Takes If-Match: it is refused with 412 when somebody else was faster. */
  ifMatch?: true;
  status?: 101 | 201;
  answer: z.ZodType;
};

const OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/login",
    summary: "The admin secret for an admin token",
    body: LoginBody,
    answer: api.LoginView,
  },
  {
    method: "post",
    path: "/session",
    summary: "A browser's login: a cookie, and the key that has to come with it as X-Sallyport-Session",
    body: SessionBody,
    status: 201,
    answer: api.OpenedSession,
  },
  { method: "get", path: "/session", summary: "Who is asking", answer: api.SessionView },
  { method: "delete", path: "/session", summary: "Log a browser out", answer: api.EndedSession },
  { method: "get", path: "/sites", summary: "All sites, page by page", query: PageQuery, answer: api.SiteList },
  {
    method: "post",
    path: "/sites",
    summary: "Add a site",
    body: SiteBody,
    status: 201,
    answer: api.SiteView,
  },
  { method: "delete", path: "/sites/{name}", summary: "Remove a site without mappings", answer: api.RemovedSite },
  {
    method: "get",
    path: "/tokens",
    summary: "All tokens that could still matter, page by page",
    query: PageQuery,
    answer: api.TokenList,
  },
  {
    method: "post",
    path: "/tokens",
    summary: "Issue a token; it is shown once",
    body: TokenRequest,
    status: 201,
    answer: api.IssuedView,
  },
  {
    method: "delete",
    path: "/tokens/{jti}",
    summary: "Revoke a token, and cut what it opened",
    answer: api.TokenView,
  },
  {
    method: "post",
    path: "/revocations",
    summary: "End what a later state of this edge had ended, after a backup or an export was put in place",
    body: Revocations,
    answer: api.CarriedOverView,
  },
  {
    method: "get",
    path: "/mappings",
    summary: "The register, page by page",
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
    summary: "Make the register what is given, all of it or nothing",
    body: ApplyBody,
    ifMatch: true,
    answer: api.ApplyAnswer,
  },
  { method: "get", path: "/mappings/{endpoint}", summary: "One mapping", answer: api.MappingAnswer },
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
    summary: "Remove a mapping, and cut what is open through it",
    ifMatch: true,
    answer: api.RemovedAnswer,
  },
  {
    method: "get",
    path: "/grants",
    summary: "All grants that have not ended, page by page",
    query: PageQuery,
    answer: api.GrantList,
  },
  {
    method: "post",
    path: "/grants",
    summary: "Admit one visitor for a time, by a one-time link",
    body: GrantRequest,
    status: 201,
    answer: api.MadeGrantView,
  },
  { method: "delete", path: "/grants/{id}", summary: "End a grant, and cut what it let in", answer: api.GrantView },
  {
    method: "get",
    path: "/status",
    summary: "What is online, what is mapped, what was refused last",
    answer: api.StatusView,
  },
  { method: "get", path: "/log", summary: "The last connections", query: LogQuery, answer: api.ConnectionList },
  { method: "get", path: "/audit", summary: "The last changes", query: AuditQuery, answer: api.AuditList },
  {
    method: "get",
    path: "/test",
    summary: "Try the way to a target",
    query: TestQuery,
    answer: api.TestAnswer,
  },
  { method: "get", path: "/usage", summary: "What each site has cost this month", answer: api.UsageList },
  {
    method: "get",
    path: "/traffic",
    summary: "What mappings carried in each minute of the last hour",
    answer: api.TrafficView,
  },
  {
    method: "get",
    path: "/live",
    summary: "Upgraded, a WebSocket (sub-protocol sallyport.live.v1) whose messages say what changes",
    status: 101,
    answer: LiveMessage,
  },
  {
    method: "get",
    path: "/archive",
    summary: "All that the registry keeps, without private keys and connections",
    answer: Archive,
  },
  {
    method: "post",
    path: "/archive",
    summary: "The same, into an edge without sites",
    body: Archive,
    status: 201,
    answer: api.ImportedView,
  },
  {
    method: "put",
    path: "/expose",
    summary: "By an agent's token with `publish`: an ad-hoc mapping, for five minutes from now",
    body: ExposeBody,
    answer: api.MappingAnswer,
  },
  {
    method: "delete",
    path: "/expose/{endpoint}",
    summary: "By an agent's token: remove an ad-hoc mapping of its own",
    answer: api.RemovedAnswer,
  },
  { method: "get", path: "/keys", summary: "The keys that sign tokens", answer: api.KeyList },
  {
    method: "post",
    path: "/keys",
    summary: "Sign with a new key from now on; older ones stay good",
    status: 201,
    answer: api.KeyView,
  },
  {
    method: "delete",
    path: "/keys/{kid}",
    summary: "Withdraw a key, and every token it has signed",
    answer: api.WithdrawnKey,
  },
];

/** The OpenAPI 3.1 document of the API. */
export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = describe(operation);
  return {
    openapi: "3.1.0",
    info: {
      title: "Sallyport",
      version: VERSION,
      description: "The API of an edge. Endpoints in paths are percent-encoded whole: 8080%2Ftcp.",
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

/** RFC 9457, with what this API adds. */
const ProblemBody = z.object({
  type: z.string(),
  status: z.int(),
  code: z.string().describe("stable"),
  title: z.string(),
  detail: z.string(),
  fix: z.string().optional(),
  entry: z.int().optional().describe("of several rules given at once, which one, from 0"),
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

/** As a client writes it: before defaults are filled in, and texts are parsed. */
function schemaOf(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
