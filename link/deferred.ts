export type Deferred<T> = { promise: Promise<T>; resolve: (value: T) => void };

/** Makes a promise and the function that resolves it: Promise.withResolvers, which Node 20 does not have. */
export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
