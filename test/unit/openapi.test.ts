import { expect, test } from "vitest";

type Routes = { api: { routes: { method: string; path: string }[] } };
type Document = { openApi: () => { paths: Record<string, Record<string, object>> } };

test("every route of the API is in its OpenAPI document, and no other", async () => {
  const { api } = await edgeModule<Routes>("api");
  const { openApi } = await edgeModule<Document>("openapi");
  const written = Object.entries(openApi().paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const served = api.routes
    .filter(({ method, path }) => method !== "ALL" && path !== "/openapi.json")
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(written.toSorted()).toEqual([...new Set(served)].toSorted());
});

/** Loaded by name: the types of the Workers' world are not those of the tests. */
async function edgeModule<T>(name: string): Promise<T> {
  return (await import(new URL(`../../edge/api/${name}.ts`, import.meta.url).href)) as T;
}
