/**
 * Divides `most` places among groups of these sizes: a group under an equal share keeps all of its own, and the rest is divided
 * equally among the larger ones. So a group that grows without end displaces only itself. Returns what each keeps, in their order.
 */
export function fairShares(sizes: readonly number[], most: number): number[] {
  const kept = sizes.map(() => 0);
  const ascending = sizes.map((size, index) => ({ size, index })).toSorted((a, b) => a.size - b.size);
  let left = most;
  for (const [place, { size, index }] of ascending.entries()) {
    const share = Math.min(size, Math.floor(left / (ascending.length - place)));
    kept[index] = share;
    left -= share;
  }
  return kept;
}
