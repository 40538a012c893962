/** Tells whether this program is a single executable that contains Node. It does not import `node:sea`, which other runtimes don't have. */
export function isSingleExecutable(): boolean {
  return process.getBuiltinModule("node:sea")?.isSea() ?? false;
}
