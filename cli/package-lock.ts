/** The fields we use of an entry in package-lock.json (lockfileVersion 3). */
export type LockEntry = {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};

/** Entries by path: `node_modules/a`, or `node_modules/a/node_modules/b` for a version of b that only a gets. */
export type LockEntries = Readonly<Record<string, LockEntry>>;

/** Selects the entries of these packages and of all their dependencies, on any platform. */
export function neededBy(names: readonly string[], entries: LockEntries): Record<string, LockEntry> {
  const kept: Record<string, LockEntry> = {};
  const keep = (path: string): void => {
    const entry = entries[path];
    if (entry === undefined || path in kept) return;
    kept[path] = entry;
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }))
      keep(nearest(entries, path, name));
  };
  for (const name of names) keep(`node_modules/${name}`);
  return kept;
}

/** Finds the path of a dependency as Node does: in the package's own folder, else in the next folder above that has it. */
function nearest(entries: LockEntries, from: string, name: string): string {
  const own = `${from}/node_modules/${name}`;
  if (own in entries) return own;
  const above = from.lastIndexOf("/node_modules/");
  return above < 0 ? `node_modules/${name}` : nearest(entries, from.slice(0, above), name);
}
