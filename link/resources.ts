/** Resources that are disposed of together, the last one first: AsyncDisposableStack, which Node 20 does not have. */
export class Resources implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#held.toReversed()) await each[Symbol.asyncDispose]();
  }
}
