/** Stylesheets: the build bundles them into a file of their own, which index.html links. */
declare module "*.css";
