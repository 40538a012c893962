import { expect, test } from "vitest";
import { api } from "../../edge/api/api.ts";
import { openApi } from "../../edge/api/openapi.ts";

test("every route of the API is in its OpenAPI document, and no other", () => {
  const { paths } = openApi() as { paths: Record<string, Record<string, object>> };
  const written = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const served = api.routes
    .filter(({ method, path }) => method !== "ALL" && path !== "/openapi.json")
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(written.toSorted()).toEqual([...new Set(served)].toSorted());
});
