/**
 * Divides `total` entries among groups of these sizes (max-min fairness). A group smaller than an equal share keeps all its entries;
 * the rest is divided equally among the larger groups. So a group that floods displaces only its own entries. Returns the number
 * that each group keeps, in the order of `sizes`.
 */
export function fairShares(sizes: readonly number[], total: number): number[] {
  const kept = sizes.map(() => 0);
  const ascending = sizes.map((size, index) => ({ size, index })).toSorted((a, b) => a.size - b.size);
  let left = total;
  for (const [position, { size, index }] of ascending.entries()) {
    const share = Math.min(size, Math.floor(left / (ascending.length - position)));
    kept[index] = share;
    left -= share;
  }
  return kept;
}
