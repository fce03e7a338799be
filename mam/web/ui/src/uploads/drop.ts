/** Drag and drop of files: shows the target folder, and takes the files. */
import { html, nothing } from "lit";
import { Element } from "../shared/element.js";
import { icon } from "../shared/icons.js";
import { toastError } from "../shared/toasts.js";
import { texts } from "../texts/index.js";
import { dropped } from "./files.js";
import { currentPlace, wayTo } from "./place.js";
import { CHANGE, queue } from "./queue.js";

class Drop extends Element {
  static override properties = { isOver: { state: true } };
  declare isOver: boolean;

  constructor() {
    super();
    this.isOver = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const on = (kind: string, act: (event: DragEvent) => void) =>
      this.on(window, kind, (event) => {
        if (isOfFiles(event as DragEvent)) act(event as DragEvent);
      });
    on("dragenter", (event) => this.over(event));
    on("dragover", (event) => this.over(event));
    on("dragleave", ({ relatedTarget }) => {
      if (!relatedTarget) this.isOver = false; // the pointer left the window
    });
    this.on(queue, CHANGE, () => this.requestUpdate());
    on("drop", (event) => void this.take(event));
  }

  /** On other pages a drop would open the file in place of the page and end the uploads. */
  private over(event: DragEvent): void {
    event.preventDefault();
    this.isOver = queue.isOn && currentPlace() !== null;
    event.dataTransfer!.dropEffect = this.isOver ? "copy" : "none";
  }

  private async take(event: DragEvent): Promise<void> {
    event.preventDefault();
    this.isOver = false;
    const place = currentPlace();
    if (!place || !queue.isOn) return;
    const there = { ...place };
    try {
      const { found, unread } = await dropped(event.dataTransfer!);
      await queue.add(found, there, unread);
    } catch (error) {
      toastError(error);
    }
  }

  protected override render() {
    if (!this.isOver) return nothing;
    const way = queue.terms && wayTo(currentPlace(), queue.terms);
    return html`<div class="drop" aria-hidden="true">
      <p>${icon("upload")}<strong>${texts.uploads.drop}</strong>${way ? html`<span>${texts.uploads.dropInto(way)}</span>` : nothing}</p>
    </div>`;
  }
}
customElements.define("mam-upload-drop", Drop);

function isOfFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") ?? false;
}
