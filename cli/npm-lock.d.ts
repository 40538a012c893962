/** The entries of package-lock.json for the packages that this program may fetch; put in by the build (scripts/npm-lock.ts). */
declare module "npm:lock" {
  const entries: import("./package-lock.ts").LockEntries;
  export default entries;
}
