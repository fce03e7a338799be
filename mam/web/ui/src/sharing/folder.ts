/** The page of a shared folder: its videos, and nothing else. */
import { html, nothing, type TemplateResult } from "lit";
import { problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import type { Problem, SharedAsset } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { tokenPrefix } from "../player/address.js";
import { contents } from "./api.js";

const said = texts.sharing;

class SharedFolderPage extends Element {
  static override properties = {
    bucket: {}, folder: {}, assets: { state: true }, cursor: { state: true }, problem: { state: true },
  };
  declare bucket: string;
  declare folder: string; // ends in a slash; "" for the whole bucket
  declare assets: SharedAsset[] | null; // null: not loaded yet
  declare cursor: string | null;
  declare problem: Problem | null;

  constructor() {
    super();
    this.assets = this.cursor = this.problem = null;
  }

  // An element that is defined after it came into the page has its properties from its first update on.
  protected override firstUpdated(): void {
    document.title = `${this.heading} · ${texts.name}`;
    void this.load();
  }

  private get heading(): string {
    return this.folder.split("/").at(-2) || this.bucket;
  }

  private async load(): Promise<void> {
    try {
      const found = await contents(tokenPrefix(), this.bucket, this.folder, this.cursor);
      this.assets = [...(this.assets ?? []), ...found.assets];
      this.cursor = found.next_cursor;
      this.problem = null;
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  protected override render(): TemplateResult {
    const { assets, problem } = this;
    return html`<h1>${this.heading}</h1>
      ${problem ? html`<div class="notice is-bad" role="alert">${icon("warning")}<div><strong>${problem.detail || problem.title}</strong><p>${problem.hint}</p></div></div>` : nothing}
      ${assets && !assets.length ? html`<p class="quiet">${said.emptyFolder}</p>` : nothing}
      <div class="library is-grid"><div class="assets" role="list">${assets?.map((asset) => card(asset))}</div></div>
      ${this.cursor ? html`<button class="button" @click=${() => void this.load()}>${said.more}</button>` : nothing}`;
  }
}
customElements.define("mam-shared-folder", SharedFolderPage);

function card(asset: SharedAsset): TemplateResult {
  const { poster, duration: seconds, title, watch } = asset;
  return html`<div class="asset" role="listitem">
    <div class="asset-picture">
      ${poster ? html`<img src=${poster} alt="" loading="lazy" decoding="async" width="320" height="180" />` : icon("film")}
      ${seconds === null ? nothing : html`<span class="asset-length">${duration(Math.max(1, seconds))}</span>`}
    </div>
    <div class="asset-words"><h2 class="asset-title"><a href=${watch}>${title}</a></h2></div>
  </div>`;
}
