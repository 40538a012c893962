import * as z from "zod";
import { MappingInput } from "../../shared/mapping-input.ts";
import { VERSION } from "../../shared/version.ts";
import { GrantRequest } from "../registry/grant-changes.ts";
import { TokenRequest } from "../registry/token-request.ts";
import { AuditQuery } from "./audit.ts";
import { LogQuery } from "./log.ts";
import { LoginBody } from "./login.ts";
import { ExposeBody } from "./expose.ts";
import { ApplyBody } from "./mappings.ts";
import { PageQuery } from "./pages.ts";
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
  status?: 201;
  /** Members of the answer. */
  answers: readonly string[];
};

const OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/login",
    summary: "The admin secret for an admin token",
    body: LoginBody,
    answers: ["token", "jti", "expires", "url"],
  },
  { method: "get", path: "/sites", summary: "All sites", answers: ["sites"] },
  {
    method: "post",
    path: "/sites",
    summary: "Add a site",
    body: SiteBody,
    status: 201,
    answers: ["name", "created", "revision"],
  },
  { method: "delete", path: "/sites/{name}", summary: "Remove a site without mappings", answers: ["name", "revoked"] },
  { method: "get", path: "/tokens", summary: "All tokens that could still matter", answers: ["tokens"] },
  {
    method: "post",
    path: "/tokens",
    summary: "Issue a token; it is shown once",
    body: TokenRequest,
    status: 201,
    answers: ["token", "jti", "kind", "expires"],
  },
  {
    method: "delete",
    path: "/tokens/{jti}",
    summary: "Revoke a token, and cut what it opened",
    answers: ["jti", "revoked"],
  },
  {
    method: "get",
    path: "/mappings",
    summary: "The register, page by page",
    query: PageQuery,
    answers: ["mappings", "next", "tag"],
  },
  {
    method: "post",
    path: "/mappings",
    summary: "Add a mapping",
    body: MappingInput,
    status: 201,
    answers: ["mapping", "warnings"],
  },
  {
    method: "put",
    path: "/mappings",
    summary: "Make the register what is given, all of it or nothing",
    body: ApplyBody,
    ifMatch: true,
    answers: ["dryRun", "changes", "unchanged", "tag", "warnings"],
  },
  { method: "get", path: "/mappings/{endpoint}", summary: "One mapping", answers: ["mapping", "warnings"] },
  {
    method: "patch",
    path: "/mappings/{endpoint}",
    summary: "Change some fields of a mapping",
    body: MappingInput.partial(),
    ifMatch: true,
    answers: ["mapping", "warnings"],
  },
  {
    method: "delete",
    path: "/mappings/{endpoint}",
    summary: "Remove a mapping, and cut what is open through it",
    ifMatch: true,
    answers: ["mapping", "warnings"],
  },
  { method: "get", path: "/grants", summary: "All grants that have not ended", answers: ["grants"] },
  {
    method: "post",
    path: "/grants",
    summary: "Admit one visitor for a time, by a one-time link",
    body: GrantRequest,
    status: 201,
    answers: ["id", "link", "until"],
  },
  { method: "delete", path: "/grants/{id}", summary: "End a grant, and cut what it let in", answers: ["id"] },
  {
    method: "get",
    path: "/status",
    summary: "What is online, what is mapped, what was refused last",
    answers: ["url", "version", "time", "sites", "mappings", "warnings"],
  },
  { method: "get", path: "/log", summary: "The last connections", query: LogQuery, answers: ["connections"] },
  { method: "get", path: "/audit", summary: "The last changes", query: AuditQuery, answers: ["entries", "next"] },
  {
    method: "get",
    path: "/test",
    summary: "Try the way to a target",
    query: TestQuery,
    answers: ["endpoint", "site", "target", "from", "hops"],
  },
  { method: "get", path: "/usage", summary: "What each site has cost this month", answers: ["usage"] },
  {
    method: "put",
    path: "/expose",
    summary: "By an agent's token with `publish`: an ad-hoc mapping, for five minutes from now",
    body: ExposeBody,
    answers: ["mapping", "warnings"],
  },
  {
    method: "delete",
    path: "/expose/{endpoint}",
    summary: "By an agent's token: remove an ad-hoc mapping of its own",
    answers: ["mapping", "warnings"],
  },
  { method: "get", path: "/keys", summary: "The keys that sign tokens", answers: ["keys"] },
  {
    method: "post",
    path: "/keys",
    summary: "Sign with a new key from now on; older ones stay good",
    status: 201,
    answers: ["kid"],
  },
  { method: "delete", path: "/keys/{kid}", summary: "Withdraw a key, and every token it has signed", answers: [] },
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

function describe({ method, path, summary, query, body, ifMatch, status, answers }: Operation): object {
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
  const answer = {
    type: "object",
    required: answers,
    properties: Object.fromEntries(answers.map((name) => [name, {}])),
  };
  return {
    operationId: `${method}${path.replace(/[/{}]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } }),
    ...(path === "/login" ? { security: [] } : {}),
    responses: {
      [status ?? 200]: { description: "Done", content: { "application/json": { schema: answer } } },
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
