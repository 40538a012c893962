/** How long each part of a run took, in the order in which they ended. */
export class Parts {
  readonly rows: (readonly [name: string, seconds: number])[] = [];

  async timed<T>(name: string, action: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await action();
    } finally {
      const seconds = (performance.now() - begun) / 1000;
      this.rows.push([name, seconds]);
      console.log(`(${name}: ${Math.round(seconds)} s)`);
    }
  }
}
