import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

type Props = { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean };

/** A modal dialog. The browser's own `dialog` keeps the focus inside and returns it on closing. */
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
