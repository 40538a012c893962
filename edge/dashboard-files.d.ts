/** The built dashboard: put in by the build (scripts/dashboard.ts). */
declare module "dashboard:files" {
  /** `body` is gzipped, in base64. The page itself is `index.html`; other names carry the hash of what they hold. */
  const files: readonly { readonly name: string; readonly type: string; readonly body: string }[];
  export default files;
}
