/** The base of all elements. They render without a shadow root, so one stylesheet applies to all of them. */
import { LitElement } from "lit";

export class Element extends LitElement {
  private readonly undo: (() => void)[] = [];

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Listens while the element is in the page. Call it from `connectedCallback`. */
  protected on(target: EventTarget, kind: string, listener: (event: Event) => void, options: { capture?: boolean } = {}): void {
    target.addEventListener(kind, listener, options);
    this.undo.push(() => target.removeEventListener(kind, listener, options));
  }

  /** Runs `undo` when the element leaves the page. */
  protected cleanUp(undo: () => void): void {
    this.undo.push(undo);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const undo of this.undo.splice(0)) undo();
  }
}
