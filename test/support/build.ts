/** Before tests that run the built programs: build them, so that no test meets an old one. */
export { build as setup } from "../../scripts/build.ts";
