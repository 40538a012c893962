/** Whether this program is a single executable, with Node in it. Asked so that other runtimes, which have no `node:sea`, can load it. */
export function isSingleExecutable(): boolean {
  return process.getBuiltinModule("node:sea")?.isSea() ?? false;
}
