/** The menu of actions beside its button. There is one for the whole page, so no card clips it. */
import { html, type TemplateResult } from "lit";
import { Element } from "../shared/element.js";

export interface MenuItem {
  icon: TemplateResult;
  text: string;
  href?: string;
  isDanger?: boolean;
  run?: () => unknown;
}

const MARGIN = 8; // pixels from the edge of the window

class Menu extends Element {
  static override properties = { items: { state: true }, label: { state: true } };
  declare items: MenuItem[];
  declare label: string;
  private opener: HTMLElement | null = null;

  constructor() {
    super();
    this.items = [];
    this.label = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(document, "pointerdown", (event) => {
      const path = event.composedPath();
      if (this.opener && !path.includes(this) && !path.includes(this.opener)) this.close(false);
    });
    this.on(window, "resize", () => this.close(false));
    this.on(this, "keydown", (event) => this.pressed(event as KeyboardEvent));
  }

  /** Opens the menu at a button, or closes it if it is open there. */
  async toggle(opener: HTMLElement, label: string, items: MenuItem[]): Promise<void> {
    const wasOpen = this.opener === opener;
    this.close(wasOpen);
    if (wasOpen) return;
    [this.opener, this.label, this.items] = [opener, label, items];
    opener.setAttribute("aria-expanded", "true");
    await this.updateComplete;
    this.place(opener.getBoundingClientRect());
    this.entries[0]?.focus({ preventScroll: true });
  }

  close(returnFocus = true): void {
    const opener = this.opener;
    [this.opener, this.items] = [null, []];
    opener?.setAttribute("aria-expanded", "false");
    if (returnFocus) opener?.focus({ preventScroll: true });
  }

  private get entries(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>("[role=menuitem]")];
  }

  /** Below the button, or above it if there is more room. The position is relative to the page, so the menu scrolls with it. */
  private place(button: DOMRect): void {
    const menu = this.querySelector<HTMLElement>(".menu");
    if (!menu) return;
    const { offsetWidth: width, offsetHeight: height } = menu;
    const fitsBelow = button.bottom + height + MARGIN < innerHeight || button.top < height + MARGIN;
    const top = fitsBelow ? button.bottom + 4 : button.top - height - 4;
    const left = Math.min(Math.max(button.right - width, MARGIN), document.documentElement.clientWidth - width - MARGIN);
    Object.assign(menu.style, { top: `${top + scrollY}px`, left: `${left + scrollX}px` });
  }

  private pressed(event: KeyboardEvent): void {
    const entries = this.entries;
    const at = entries.indexOf(document.activeElement as HTMLElement);
    const go = (index: number) => entries.at(index % entries.length)?.focus();
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(-1),
      Escape: () => this.close(),
      Tab: () => this.close(),
    };
    const move = moves[event.key] ?? (event.key.length === 1 && event.key !== " " ? () => this.find(event.key, at) : null);
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  }

  private find(letter: string, at: number): void {
    const entries = this.entries;
    const later = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
    later.find((entry) => entry.textContent?.trim().toLowerCase().startsWith(letter.toLowerCase()))?.focus();
  }

  private chosen(item: MenuItem): void {
    this.close();
    item.run?.();
  }

  protected override render() {
    const entry = (item: MenuItem) => {
      const content = html`${item.icon}<span>${item.text}</span>`;
      return item.href
        ? html`<a role="menuitem" tabindex="-1" href=${item.href} @click=${() => this.chosen(item)}>${content}</a>`
        : html`<button role="menuitem" tabindex="-1" class=${item.isDanger ? "is-danger" : ""}
            @click=${() => this.chosen(item)}>${content}</button>`;
    };
    return this.items.length ? html`<div class="menu" role="menu" aria-label=${this.label}>${this.items.map(entry)}</div>` : html``;
  }
}
customElements.define("mam-menu", Menu);
export type { Menu };
