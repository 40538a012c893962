import { useEffect, useState } from "preact/hooks";
import { call } from "./api.ts";

/** Loads an API path, and again whenever `revision` changes. `answer` is undefined until the first answer. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as with `call`, the caller knows what is answered
export function useAnswer<T>(path: string, revision: unknown): { answer: T | undefined; error: unknown } {
  const [state, setState] = useState<{ path: string; answer: T | undefined; error: unknown }>({
    path,
    answer: undefined,
    error: undefined,
  });
  useEffect(() => {
    let isWanted = true;
    call<T>("GET", path).then(
      (answer) => isWanted && setState({ path, answer, error: undefined }),
      (error: unknown) => isWanted && setState((before) => ({ ...before, error })),
    );
    return () => {
      isWanted = false;
    };
  }, [path, revision]);
  return state;
}
