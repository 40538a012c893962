/** The built Worker as text; put in by the build (scripts/build.ts). */
declare module "worker:source" {
  const source: string;
  export default source;
}
