/** `<mam-upload-button .bucket .folder>`: chooses files or a folder. While it is on the page, files can be dropped. */
import { html, nothing } from "lit";
import { Element } from "../shared/element.js";
import { icon } from "../shared/icons.js";
import { SESSION } from "../shared/session.js";
import { texts } from "../texts/index.js";
import { chosen } from "./files.js";
import { isElsewhere, type Place, standsFor, wayTo } from "./place.js";
import { CHANGE, queue } from "./queue.js";

const MENU_WIDTH = 220; // Pixels, with a margin.
const CAN_FOLDERS = "webkitdirectory" in HTMLInputElement.prototype;

class UploadButton extends Element {
  static override properties = { bucket: { attribute: false }, folder: { attribute: false }, isOpen: { state: true } };
  declare bucket: string;
  declare folder: string;
  declare isOpen: boolean;
  private opensRight = false; // if its menu has no room on the left
  private readonly place: Place = { bucket: "", folder: "" };

  constructor() {
    super();
    this.bucket = "";
    this.folder = "";
    this.isOpen = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.cleanUp(standsFor(this.place));
    this.on(window, SESSION, () => this.requestUpdate());
    this.on(queue, CHANGE, () => this.requestUpdate()); // the queue knows which files are accepted
    this.on(document, "pointerdown", (event) => {
      if (!this.contains(event.target as Node)) this.isOpen = false;
    });
    this.on(this, "focusout", (event) => {
      const next = (event as FocusEvent).relatedTarget;
      if (next instanceof Node && !this.contains(next)) this.isOpen = false;
    });
    this.on(this, "keydown", (event) => this.key(event as KeyboardEvent));
  }

  protected override willUpdate(): void {
    Object.assign(this.place, { bucket: this.bucket, folder: this.folder });
  }

  private ask(kind: "files" | "folder"): void {
    this.isOpen = false;
    this.querySelector<HTMLInputElement>(`input[name="${kind}"]`)?.click();
  }

  private picked({ target }: Event): void {
    const input = target as HTMLInputElement;
    const found = chosen(input);
    input.value = ""; // the same file can be chosen again
    void queue.add(found, { ...this.place });
  }

  private key(event: KeyboardEvent): void {
    const items = [...this.querySelectorAll<HTMLElement>(".menu button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!this.isOpen || (event.key !== "Escape" && !step)) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) return items.at((items.indexOf(document.activeElement as HTMLElement) + step) % items.length)?.focus();
    this.isOpen = false;
    this.querySelector<HTMLElement>("[aria-expanded]")?.focus();
  }

  private async toggle(): Promise<void> {
    this.opensRight = this.getBoundingClientRect().right < MENU_WIDTH;
    this.isOpen = !this.isOpen;
    await this.updateComplete;
    if (this.isOpen) this.querySelector<HTMLElement>(".menu button")?.focus();
  }

  protected override render() {
    if (!queue.isOn) return nothing;
    const { uploads } = texts;
    const { terms } = queue;
    const place = { bucket: this.bucket, folder: this.folder };
    const way = terms && wayTo(place, terms);
    const text = terms && way && isElsewhere(place, terms) ? uploads.uploadInto(way) : uploads.upload;
    const accepted = terms?.extensions.map((each) => `.${each}`).join(",") ?? nothing;
    return html`<div class="upload-button">
      <button class="button is-primary" title=${way ? uploads.uploadInto(way) : nothing} @click=${() => this.ask("files")}>${icon("upload")}<span>${text}</span></button>
      ${CAN_FOLDERS
        ? html`<button class="button is-primary" aria-label=${uploads.more} aria-expanded=${this.isOpen} @click=${this.toggle}>
            ${icon("down")}
          </button>`
        : nothing}
      ${this.isOpen
        ? html`<div class="menu ${this.opensRight ? "is-right" : ""}">
            ${way ? html`<p class="menu-note quiet">${uploads.dropInto(way)}</p>` : nothing}
            <button @click=${() => this.ask("files")}>${icon("film")}${uploads.uploadFiles}</button>
            <button @click=${() => this.ask("folder")}>${icon("folder")}${uploads.uploadFolder}</button>
          </div>`
        : nothing}
      <input type="file" name="files" multiple accept=${accepted} hidden @change=${this.picked} />
      <input type="file" name="folder" webkitdirectory hidden @change=${this.picked} />
    </div>`;
  }
}
customElements.define("mam-upload-button", UploadButton);
