/** Makes the environment of npm and wrangler, which read the variables of proxies, but know only Node's own variable for authorities. */
export function npmEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = env["NODE_EXTRA_CA_CERTS"] || env["SALLYPORT_CA_FILE"];
  return file ? { ...env, NODE_EXTRA_CA_CERTS: file } : env;
}
