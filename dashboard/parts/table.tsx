import type { ComponentChildren, JSX } from "preact";

type Props = {
  titles: readonly string[];
  /** Adds a last column for buttons. */
  actions?: boolean;
  children: ComponentChildren;
};

/** A table. On a narrow page it has no head, and each cell shows its own title (`data-title`). */
export function Table({ titles, actions = false, children }: Props): JSX.Element {
  return (
    <div class="table-frame">
      <table>
        <thead>
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
            {actions ? (
              <th scope="col">
                <span class="hidden">Actions</span>
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
