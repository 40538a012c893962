import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

type Props = { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean };

/** A dialog over the page: the browser's own, which keeps the focus, and gives it back. */
export function Dialog({ title, onClose, children, wide = false }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const { current } = dialog;
    if (current?.open === false) current.showModal();
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "wide" : ""} aria-labelledby={id} onClose={onClose}>
      <div class="heading">
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="failed" />
        </button>
      </div>
      {children}
    </dialog>
  );
}
