/** Keeps the scroll position for the way back, and the focus when rows change. */
interface Focus {
  row: string;
  selector: string;
  index: number;
}

export class Position {
  private focus: Focus | null = null;

  constructor(private readonly page: HTMLElement & { updateComplete: Promise<boolean> }) {}

  /** Saves the scroll position in the history before the page changes. */
  leave(): void {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
  }

  /** Restores the scroll position after the way back. */
  returned(): void {
    const scroll: unknown = history.state?.scroll;
    if (typeof scroll !== "number" || scrollY) return;
    requestAnimationFrame(() => scrollTo({ top: scroll, behavior: "instant" }));
    history.replaceState({ ...history.state, scroll: undefined }, "");
  }

  willUpdate(): void {
    const active = document.activeElement;
    const row = active?.closest<HTMLElement>("[data-row]");
    if (!active || !row || !this.page.contains(row)) return;
    const selector = active.matches("[data-menu]") ? "[data-menu]" : "a";
    this.focus = { row: row.dataset["row"]!, selector, index: this.rows.indexOf(row) };
  }

  /** Restores the focus in a row that moved. If the row is gone, the row in its place gets it. */
  async updated(): Promise<void> {
    const before = this.focus;
    if (!before) return;
    this.focus = null;
    await Promise.all([...this.page.querySelectorAll("mam-rows")].map((rows) => (rows as unknown as typeof this.page).updateComplete));
    if (document.activeElement !== document.body) return;
    const rows = this.rows;
    const row = rows.find((each) => each.dataset["row"] === before.row) ?? rows[Math.min(before.index, rows.length - 1)];
    row?.querySelector<HTMLElement>(before.selector)?.focus({ preventScroll: true });
  }

  private get rows(): HTMLElement[] {
    return [...this.page.querySelectorAll<HTMLElement>("[data-row]")];
  }
}
