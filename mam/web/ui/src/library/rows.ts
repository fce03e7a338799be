/** One page of rows. It is drawn only near the window, so the document stays small however far the user scrolls. */
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Element } from "../shared/element.js";
import { item } from "./item.js";
import type { Row } from "./listing.js";
import type { View } from "./query.js";

const NEAR = "1600px 0px"; // More than the distance at which the next page is requested: new rows are drawn once.

const nearness = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) (target as Rows).seen(isIntersecting);
  },
  { rootMargin: NEAR },
);

class Rows extends Element {
  static override properties = {
    rows: { hasChanged: (now: Row[], before?: Row[]) => !before || now.length !== before.length || now.some((row, n) => row !== before[n]) },
    first: {},
    total: {},
    view: {},
    isFlat: {},
    isDrawn: { state: true },
  };
  declare rows: Row[];
  declare first: number; // index of the first row in the listing
  declare total: number;
  declare view: View;
  declare isFlat: boolean;
  declare isDrawn: boolean;
  private isNear = true;

  constructor() {
    super();
    this.isDrawn = true;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    nearness.observe(this);
    this.cleanUp(() => nearness.unobserve(this));
    this.on(this, "focusout", () => queueMicrotask(() => this.settle()));
  }

  seen(isNear: boolean): void {
    this.isNear = isNear;
    this.settle();
  }

  /** Takes a new height when the width of the window changes. */
  resized(height: number): void {
    if (!this.isDrawn) this.style.height = `${height}px`;
  }

  private settle(): void {
    const isDrawn = this.isNear || this.contains(document.activeElement); // the focus must not be lost
    if (isDrawn === this.isDrawn) return;
    this.style.height = isDrawn ? "" : `${this.offsetHeight}px`;
    this.isDrawn = isDrawn;
  }

  protected override render() {
    if (!this.isDrawn) return nothing;
    return html`${repeat(
      this.rows,
      (row) => row.id,
      (row, index) => html`<div role="listitem" class="asset" data-state=${row.asset.state} data-row=${row.id}
        aria-setsize=${this.total} aria-posinset=${this.first + index + 1}>${item(row, this.view, this.isFlat)}</div>`,
    )}`;
  }
}
customElements.define("mam-rows", Rows);
export type { Rows };
