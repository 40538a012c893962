/** Bundled beside the script, and named by the page. */
declare module "*.css";
