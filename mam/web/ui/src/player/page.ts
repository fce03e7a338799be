/** The page around the player. */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { Element } from "../shared/element.js";
import { dateTime, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { titleOf } from "../shared/names.js";
import { playlistLine } from "../shared/shell.js";
import { session } from "../shared/session.js";
import { copyText } from "../shared/toasts.js";
import type { StatusView, StreamInfo } from "../shared/types.js";
import "../sharing/dialog.js";
import type { ShareDialog } from "../sharing/dialog.js";
import { texts } from "../texts/index.js";
import { downloadUrl, playlistUrl, tokenPrefix } from "./address.js";
import { SIGNED, STATUS } from "./element.js";
import { embedCode, ffmpegLine, linkAt, vlcLine } from "./share.js";
import { percentOf } from "./status.js";

const words = texts.player.page;
const BADGES = { new: "", making: "is-busy", live: "is-good", failed: "is-bad" };

class Watch extends Element {
  static override properties = { bucket: {}, path: {}, status: { state: true }, until: { state: true } };
  declare bucket: string;
  declare path: string;
  declare status: StatusView | null;
  declare until: number | null; // Unix seconds: the end of the signatures in the loaded playlist

  constructor() {
    super();
    this.status = this.until = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(this, STATUS, (event) => (this.status = (event as CustomEvent<StatusView>).detail));
    this.on(this, SIGNED, (event) => (this.until = (event as CustomEvent<number>).detail));
    const before = document.title;
    this.cleanUp(() => (document.title = before));
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("bucket") && !changed.has("path")) return;
    this.status = this.until = null;
    document.title = `${titleOf(this.path)} · ${texts.name}`;
  }

  private link(): string {
    return linkAt(this.bucket, this.path, this.querySelector("mam-player")?.currentTime ?? 0);
  }

  protected override render(): TemplateResult {
    const { bucket, path } = this;
    const player = html`<mam-player bucket=${bucket} path=${path}></mam-player>`;
    return html`
      <div class="mam-watch">
        ${keyed(`${bucket}/${path}`, player)}
        <header class="mam-heading">
          <h1>${titleOf(path)}</h1>
          ${this.facts()} ${this.acts()}
        </header>
        ${tokenPrefix() ? nothing : html`<div class="mam-about">${this.streams()} ${this.uses()}</div>`}
        <mam-share-dialog></mam-share-dialog>
      </div>
    `;
  }

  private facts(): TemplateResult {
    const { status } = this;
    const percent = status?.state === "making" ? ` · ${texts.player.made(percentOf(status))}` : "";
    return html`<p class="mam-facts quiet">
      ${status ? html`<span class="badge ${BADGES[status.state]}">${texts.player.state[status.state]}${percent}</span>` : nothing}
      ${status?.duration ? html`<span class="number"><span class="visually-hidden">${words.duration}: </span>${duration(status.duration)}</span>` : nothing}
      ${tokenPrefix() ? nothing : html`<span class="mam-where">${this.bucket}/${this.path}</span>`}
    </p>`;
  }

  /** What a user may do with the video, beside its title. */
  private acts(): TemplateResult | typeof nothing {
    const { policy, download } = this.status ?? {};
    const mayShare = session.may("sign") && (policy === "public" || policy === "signed");
    const mayDownload = download || (session.may("read") && policy !== undefined && policy !== "off");
    if (!mayShare && !mayDownload) return nothing;
    return html`<div class="mam-acts">
      ${mayShare ? html`<button class="button" @click=${() => this.share()}>${texts.sharing.share}</button>` : nothing}
      ${mayDownload ? html`<a class="button" href=${downloadUrl(this.bucket, this.path)} download>${texts.sharing.downloadIt}</a>` : nothing}
    </div>`;
  }

  private share(): void {
    const at = this.querySelector("mam-player")?.currentTime ?? 0;
    void this.querySelector<ShareDialog>("mam-share-dialog")!.open(`${this.bucket}/${this.path}`, titleOf(this.path), at);
  }

  private streams(): TemplateResult {
    const streams = this.status?.streams ?? [];
    return html`<section class="card" aria-labelledby="mam-streams">
      <h2 id="mam-streams">${words.streams}</h2>
      ${streams.length
        ? html`<table class="mam-streams">
            <thead><tr>${words.columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
            <tbody>${streams.map((stream) => row(stream))}</tbody>
          </table>`
        : html`<p class="quiet">${words.retryPlan}</p>`}
    </section>`;
  }

  private uses(): TemplateResult {
    const playlist = `${location.origin}${playlistUrl(this.bucket, this.path)}`;
    const { until } = this;
    const about = until ? `${words.playlistHint} ${words.signedUntil(dateTime(until))}` : words.playlistHint;
    return html`<section class="card" aria-labelledby="mam-use">
      <h2 id="mam-use">${words.use}</h2>
      <ul class="mam-uses">
        ${use(words.link, words.linkHint, null, () => this.link())}
        ${use(words.playlist, about, playlist, () => playlist)}
        ${use(words.embed, words.embedHint, embedCode(this.bucket, this.path))}
        ${use(words.curl, words.curlHint, playlistLine(playlist))}
        ${use(words.ffmpeg, words.ffmpegHint, ffmpegLine(playlist, this.path))}
        ${use(words.vlc, words.vlcHint, vlcLine(playlist))}
      </ul>
    </section>`;
  }
}
customElements.define("mam-watch", Watch);

function row({ kind, codec, language, action, reason }: StreamInfo): TemplateResult {
  return html`<tr>
    <th scope="row">${words.kinds[kind] ?? kind}${language ? html` <span class="quiet">${language}</span>` : nothing}</th>
    <td>${codec}</td>
    <td>${words.actions[action] ?? action}${reason ? html`<span class="quiet">: ${reason}</span>` : nothing}</td>
  </tr>`;
}

function use(name: string, about: string, shown: string | null, text = () => shown ?? ""): TemplateResult {
  return html`<li>
    <div><strong>${name}</strong> <span class="quiet">${about}</span>${shown ? html`<code>${shown}</code>` : nothing}</div>
    <button class="icon-button" aria-label=${words.copy(name)} title=${words.copy(name)}
      @click=${() => copyText(text())}>${icon("copy")}</button>
  </li>`;
}
