/** Before tests that run the built programs: build them, so that no test meets an old one. */
import { build } from "../../scripts/build.ts";

export async function setup(): Promise<void> {
  await build(() => undefined);
}
