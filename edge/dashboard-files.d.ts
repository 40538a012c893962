/** The built dashboard. The build (scripts/dashboard.ts) provides this module. */
declare module "dashboard:files" {
  /** `body` is gzip in base64. The page is `index.html`; the names of other files contain a hash of their content. */
  const files: readonly { readonly name: string; readonly type: string; readonly body: string }[];
  export default files;
}
