/** Put in by the build (scripts/npm-lock.ts): of our package-lock.json, the entries of all that may be fetched. */
declare module "npm:lock" {
  const entries: import("./package-lock.ts").LockEntries;
  export default entries;
}
