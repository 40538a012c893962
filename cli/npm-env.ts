/** Makes the environment of npm and wrangler. They read the usual proxy variables, but only Node's own variable for certificate authorities. */
export function npmEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = env["NODE_EXTRA_CA_CERTS"] || env["SALLYPORT_CA_FILE"];
  return file ? { ...env, NODE_EXTRA_CA_CERTS: file } : env;
}
