/** The dialog that makes, lists and revokes the links to a video or folder. */
import { html, nothing, type TemplateResult } from "lit";
import { problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { dateTime, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { copyText, toast, toastError } from "../shared/toasts.js";
import type { Problem, ShareView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import * as api from "./api.js";

const said = texts.sharing;
const HOUR = 3600;
const SECONDS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, always: null };
type Length = keyof typeof SECONDS;

class ShareDialog extends Element {
  static override properties = {
    sub: { state: true }, name: { state: true }, at: { state: true }, made: { state: true }, links: { state: true },
    problem: { state: true }, isBusy: { state: true },
  };
  declare sub: api.Subject;
  declare name: string;
  declare at: number; // seconds: where the video is now
  declare made: string; // the address of the link that was just made
  declare links: ShareView[] | null; // null: not loaded yet
  declare problem: Problem | null;
  declare isBusy: boolean;

  constructor() {
    super();
    this.sub = this.name = this.made = "";
    this.at = 0;
    this.links = this.problem = null;
    this.isBusy = false;
  }

  /** Opens the dialog. `name`: of the video or folder; `at`: seconds. */
  async open(sub: api.Subject, name: string, at = 0): Promise<void> {
    [this.sub, this.name, this.at, this.made] = [sub, name, Math.floor(at), ""];
    this.links = this.problem = null;
    await this.updateComplete;
    this.querySelector("dialog")!.showModal();
    await this.load();
  }

  private get isFolder(): boolean {
    return this.sub.endsWith("/");
  }

  private async load(): Promise<void> {
    try {
      this.links = await api.list(this.sub);
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  private async create(event: Event): Promise<void> {
    event.preventDefault();
    const chosen = new FormData(event.target as HTMLFormElement);
    this.isBusy = true;
    this.problem = null;
    try {
      this.made = await api.create(this.sub, {
        seconds: SECONDS[chosen.get("length") as Length],
        start: chosen.has("start") ? this.at : 0,
        download: chosen.has("download"),
      });
      await this.load();
      await this.updateComplete;
      this.querySelector<HTMLInputElement>("input[name=link]")?.select();
    } catch (error) {
      this.problem = problemOf(error);
    }
    this.isBusy = false;
  }

  private async revoke(link: ShareView): Promise<void> {
    try {
      await api.revoke(link.id);
      this.made = "";
      toast(said.revoked);
    } catch (error) {
      toastError(error);
    }
    await this.load();
  }

  protected override render(): TemplateResult {
    const { problem } = this;
    return html`<dialog class="share" aria-labelledby="share-title">
      <h2 id="share-title">${said.title(this.name)}</h2>
      <p class="quiet">${this.isFolder ? said.introFolder : said.intro}</p>
      ${this.form()} ${this.made ? this.created() : nothing}
      ${problem ? html`<div class="notice is-bad" role="alert">${icon("warning")}<div><strong>${problem.detail || problem.title}</strong><p>${problem.hint}</p></div></div>` : nothing}
      ${this.list()}
      <div class="actions"><button class="button" @click=${() => this.querySelector("dialog")!.close()}>${said.close}</button></div>
    </dialog>`;
  }

  private form(): TemplateResult {
    const lengths = Object.entries(said.lengths) as [Length, string][];
    return html`<form class="share-form" @submit=${(event: Event) => void this.create(event)}>
      <label>${said.expires}
        <select name="length">${lengths.map(([name, text]) => html`<option value=${name} ?selected=${name === "week"}>${text}</option>`)}</select>
      </label>
      ${this.at > 0 && !this.isFolder
        ? html`<label><input type="checkbox" name="start" />${said.start(duration(this.at))}</label>`
        : nothing}
      <label><input type="checkbox" name="download" />${this.isFolder ? said.downloadFolder : said.download}</label>
      <button class="button is-primary" ?disabled=${this.isBusy}>${said.create}</button>
    </form>`;
  }

  private created(): TemplateResult {
    return html`<div class="share-made">
      <label>${said.link}<input name="link" readonly .value=${this.made} /></label>
      <button class="button" @click=${() => void copyText(this.made)}>${icon("copy")}${said.copy}</button>
      <p class="quiet">${said.once}</p>
    </div>`;
  }

  private list(): TemplateResult | typeof nothing {
    const { links } = this;
    if (!links) return nothing;
    return html`<section aria-labelledby="share-links">
      <h3 id="share-links">${said.existing}</h3>
      ${links.length ? html`<ul class="share-links" role="list">${links.map((link) => this.line(link))}</ul>` : html`<p class="quiet">${said.none}</p>`}
    </section>`;
  }

  private line(link: ShareView): TemplateResult {
    const made = dateTime(link.created_at);
    const about = [
      link.expires_at === null ? said.untilRevoked : said.until(dateTime(link.expires_at)),
      link.start > 0 && said.start(duration(link.start)),
      link.download && said.canDownload,
      link.created_by,
    ].filter(Boolean);
    return html`<li>
      <div><strong class="number">${said.views(link.views)}</strong> <span>${said.since(made)}</span>
        <p class="quiet">${about.join(" · ")}</p></div>
      <button class="button" aria-label=${said.revokeOf(made)} @click=${() => void this.revoke(link)}>${said.revoke}</button>
    </li>`;
  }
}
customElements.define("mam-share-dialog", ShareDialog);
export type { ShareDialog };
