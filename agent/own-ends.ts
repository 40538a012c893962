import type { Kind } from "../shared/open.ts";

/**
 * The addresses that targets see us come from. A visitor who comes from one of them is ourselves: what we dialled leads back to
 * a public port of the edge or of a gateway, and would be dialled again and again.
 */
export class OwnEnds {
  readonly #ends = new Set<string>();

  add(kind: Kind, local: string): void {
    this.#ends.add(`${kind} ${local}`);
  }

  delete(kind: Kind, local: string): void {
    this.#ends.delete(`${kind} ${local}`);
  }

  /** `visitor`: address and port, as DIAL has it. */
  has(kind: Kind, visitor: string): boolean {
    return this.#ends.has(`${kind} ${visitor}`);
  }
}
