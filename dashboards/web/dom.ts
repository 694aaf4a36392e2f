/** Children of an element: texts are set as text, never as HTML. */
export type Child = Node | string | null | undefined | false;

/** Attributes, and listeners as `onclick`. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | undefined | ((event: Event) => void)>
>;

/** Makes an element. An attribute that is `false` or undefined is left out. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** An element of the page that must be there. @throws Error when it is not */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** Brings the page's own entry into sight where the menu is a strip too narrow for all. */
export function showOwnEntry(): void {
  document
    .querySelector('.menu [aria-current]')
    ?.scrollIntoView({ inline: 'center', block: 'nearest' });
}

/** The data that the server put into the page. */
export function pageData(): unknown {
  return JSON.parse(byId('page-data').textContent);
}

/** A switch of several choices, of which one holds. */
export function choiceButtons(
  label: string,
  choices: readonly { value: string; text: string; title?: string }[],
  chosen: string,
  onChoose: (value: string) => void,
): HTMLElement {
  const group = el('div', { class: 'choices', role: 'group', 'aria-label': label });
  for (const { value, text, title } of choices) {
    group.append(
      el(
        'button',
        {
          type: 'button',
          'aria-pressed': String(value === chosen),
          title,
          onclick: () => onChoose(value),
        },
        text,
      ),
    );
  }
  return group;
}
