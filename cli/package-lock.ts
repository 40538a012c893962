/** An entry of a package-lock.json of version 3, as far as we read it. */
export type LockEntry = {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};

/** Entries by path: `node_modules/a`, or `node_modules/a/node_modules/b` for what a alone gets. */
export type LockEntries = Readonly<Record<string, LockEntry>>;

/** The entries of these packages and of all that they need, on any platform. */
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

/** Where a package finds one that it names: in its own folder, or in the next above. */
function nearest(entries: LockEntries, from: string, name: string): string {
  const own = `${from}/node_modules/${name}`;
  if (own in entries) return own;
  const above = from.lastIndexOf("/node_modules/");
  return above < 0 ? `node_modules/${name}` : nearest(entries, from.slice(0, above), name);
}
