/** `<mam-uploads>`: the list of uploads at the lower right of every page, and drag and drop. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Element } from "../shared/element.js";
import { bytes, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { SESSION } from "../shared/session.js";
import { texts } from "../texts/index.js";
import "./button.js";
import "./drop.js";
import { ADD, CHANGE, isOver, MOVE, queue } from "./queue.js";
import { wayTo } from "./place.js";
import { row } from "./row.js";
import { arrived } from "./subtitles.js";
import type { State } from "./states.js";
import { type Upload, UPLOADED } from "./upload.js";

const MUCH = 32e6; // From this many uploaded bytes on, the page asks before it cancels.
const UNWELL: readonly State[] = ["bad", "refused", "failed", "interrupted"];
const STILL: readonly State[] = ["waiting", "paused", "held"];
const STILL_SHOWN = 30; // Rows of waiting and paused uploads: a folder may have thousands.
const DONE_SHOWN = 30; // Rows of finished uploads: the latest.

class Uploads extends Element {
  static override properties = { isFolded: { state: true }, sure: { state: true }, said: { state: true } };
  declare isFolded: boolean;
  declare sure: Upload | null; // the upload whose cancellation needs a confirmation
  declare said: string; // for screen readers
  private choosing: Upload | null = null;
  private readonly size = new ResizeObserver(() => this.measure());

  constructor() {
    super();
    this.isFolded = false;
    this.sure = null;
    this.said = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(window, SESSION, () => this.requestUpdate());
    this.on(queue, CHANGE, () => this.requestUpdate());
    this.on(queue, ADD, (event) => {
      this.isFolded = false;
      this.said = texts.uploads.said.added((event as CustomEvent<number>).detail);
    });
    this.on(queue, MOVE, (event) => this.moved((event as CustomEvent<{ upload: Upload; before: State }>).detail));
    this.on(window, UPLOADED, (event) => void arrived((event as CustomEvent<{ bucket: string; key: string }>).detail));
    this.cleanUp(() => this.size.disconnect());
    this.cleanUp(() => document.documentElement.style.removeProperty("--tray"));
  }

  protected override updated(): void {
    const tray = this.querySelector(".tray");
    this.size.disconnect();
    if (tray) this.size.observe(tray);
    else this.measure();
    const dialog = this.querySelector("dialog");
    if (this.sure && dialog && !dialog.open) dialog.showModal();
    if (!this.sure && dialog?.open) dialog.close();
  }

  /** Keeps messages at the lower edge of the page above the tray. */
  private measure(): void {
    const height = this.querySelector<HTMLElement>(".tray")?.offsetHeight ?? 0;
    document.documentElement.style.setProperty("--tray", `${height}px`);
  }

  /** Announces failures and the end of all uploads to screen readers. */
  private moved({ upload, before }: { upload: Upload; before: State }): void {
    const { said } = texts.uploads;
    const why = upload.state === "bad" && upload.verdict && !upload.verdict.ok ? upload.verdict.message : upload.problem?.detail;
    if (["bad", "refused", "failed"].includes(upload.state) && why) this.said = said.wrong(upload.name, why);
    else if (upload.state === "checking" && before === "completing" && !queue.uploads.some(({ goesOn }) => goesOn)) {
      this.said = said.arrived(queue.uploads.filter(({ state }) => state === "checking" || state === "done").length);
    }
  }

  // actions of the rows

  private readonly acts = {
    choose: (upload: Upload) => {
      this.choosing = upload;
      this.querySelector<HTMLInputElement>("input[type=file]")?.click();
    },
    goOn: (upload: Upload) => void this.goOn(upload),
    dismiss: (upload: Upload) => void this.drop(upload, () => queue.dismiss(upload)),
    remove: (upload: Upload) => {
      const isMuch = upload.state !== "bad" && upload.state !== "elsewhere" && upload.bytes >= MUCH;
      if (isMuch) this.sure = upload;
      else void this.drop(upload);
    },
  };

  private async goOn(upload: Upload): Promise<void> {
    if (upload.state !== "interrupted" || !upload.handle) return upload.goOn();
    try {
      const may = await upload.handle.requestPermission?.({ mode: "read" });
      const file = may === "granted" ? await upload.handle.getFile() : null;
      if (file && upload.isOf(file)) return upload.goOn(file);
      if (file) upload.isAnother();
    } catch {
      // the file is gone, or the browser does not ask for permission: the user chooses the file
    }
    upload.handle = null;
    this.requestUpdate();
  }

  private chosen({ target }: Event): void {
    const input = target as HTMLInputElement;
    const [file, upload] = [input.files?.[0], this.choosing];
    input.value = "";
    this.choosing = null;
    if (!file || !upload) return;
    if (upload.isOf(file)) upload.goOn(file, null);
    else upload.isAnother();
  }

  /** Cancels an upload and keeps the focus at the place of its row. */
  private async drop(upload: Upload, end: () => unknown = () => queue.remove(upload)): Promise<void> {
    const rows = [...this.querySelectorAll(".upload")];
    const at = rows.findIndex((each) => each.contains(document.activeElement));
    await end();
    await this.updateComplete;
    if (at < 0 || queue.uploads.includes(upload)) return;
    const next = this.querySelectorAll(".upload").item(Math.min(at, rows.length - 2)) as ParentNode | null;
    (next ?? this).querySelector<HTMLElement>("button, a")?.focus();
  }

  private answered({ target }: Event): void {
    const dialog = target as HTMLDialogElement;
    const upload = this.sure;
    this.sure = null;
    if (dialog.returnValue === "yes" && upload) void this.drop(upload);
    dialog.returnValue = "";
  }

  // view

  protected override render() {
    if (!queue.isOn) return nothing;
    const { uploads } = texts;
    return html`
      ${queue.uploads.length || queue.leftOut.length || queue.unread.length ? this.tray() : nothing}
      <input type="file" hidden @change=${this.chosen} />
      <dialog aria-labelledby="sure-title" @close=${this.answered}>
        <form method="dialog">
          <h2 id="sure-title">${uploads.sureTitle}</h2>
          <p>${this.sure ? uploads.sure(this.sure.name, bytes(this.sure.bytes), bytes(this.sure.size)) : nothing}</p>
          <div class="actions">
            <button class="button" value="no" autofocus>${uploads.keep}</button>
            <button class="button is-danger" value="yes">${uploads.sureYes}</button>
          </div>
        </form>
      </dialog>
      <mam-upload-drop></mam-upload-drop>
      <p class="visually-hidden" role="status">${this.said}</p>
    `;
  }

  private tray(): TemplateResult {
    const { uploads } = texts;
    const running = queue.uploads.filter(({ goesOn }) => goesOn);
    const fold = this.isFolded ? uploads.expand : uploads.collapse;
    const button = (kind: "pause" | "play" | "close", label: string, act: () => void) =>
      html`<button class="icon-button" aria-label=${label} title=${label} @click=${act}>${icon(kind)}</button>`;
    return html`<section class="tray ${this.isFolded ? "is-folded" : ""}" aria-label=${uploads.title}>
      <header>
        <div class="tray-title"><h2>${summary()}</h2>
          ${queue.terms ? html`<p class="quiet">${uploads.dropInto(wayTo(null, queue.terms))}</p>` : nothing}</div>
        ${running.length > 1 ? button("pause", uploads.pauseAll, () => queue.pauseAll()) : nothing}
        ${!running.length && queue.uploads.filter(({ state }) => state === "paused").length > 1
          ? button("play", uploads.goOnAll, () => queue.goOnAll())
          : nothing}
        <button class="icon-button tray-fold" aria-label=${fold} title=${fold} aria-expanded=${!this.isFolded} aria-controls="tray-rows"
          @click=${() => (this.isFolded = !this.isFolded)}>${icon("down")}</button>
        ${queue.uploads.every(isOver) ? button("close", uploads.clear, () => queue.clear()) : nothing}
      </header>
      ${running.length ? total(running) : nothing}
      <div id="tray-rows" class="tray-rows" ?hidden=${this.isFolded}>${this.rows()}</div>
    </section>`;
  }

  private rows(): TemplateResult {
    const { uploads } = texts;
    const later = queue.uploads.filter(({ state }) => STILL.includes(state)).slice(STILL_SHOWN);
    const earlier = queue.uploads.filter(({ state }) => state === "done").slice(0, -DONE_SHOWN);
    const more = later.some(({ state }) => state === "waiting") ? uploads.waitingMore : uploads.pausedMore;
    const unseen = new Set([...later, ...earlier]);
    const seen = queue.uploads.filter((upload) => !unseen.has(upload));
    const rank = ({ state }: Upload) => Number(!UNWELL.includes(state)); // uploads that need attention come first
    return html`
      ${queue.unread.length
        ? html`<p class="tray-note">${icon("warning")}${uploads.unread(queue.unread.length, queue.unread[0]!)}</p>`
        : nothing}
      ${queue.leftOut.length
        ? html`<p class="tray-note quiet">${icon("info")}${uploads.leftOut(queue.leftOut.length, queue.leftOut[0]!)}</p>`
        : nothing}
      ${earlier.length ? html`<p class="tray-note quiet">${icon("check")}${uploads.arrivedMore(earlier.length)}</p>` : nothing}
      <ul>${repeat(seen.sort((one, other) => rank(one) - rank(other)), (upload) => upload, (upload) => row(upload, this.acts))}</ul>
      ${later.length ? html`<p class="tray-note quiet">${more(later.length)}</p>` : nothing}
    `;
  }
}
customElements.define("mam-uploads", Uploads);

/** The progress of all active uploads as one bar. */
function total(running: Upload[]): TemplateResult {
  const [sent, all] = [sum(running, ({ bytes }) => bytes), sum(running, ({ size }) => size)];
  const percent = Math.floor((100 * sent) / all);
  return html`<div class="bar tray-total" aria-hidden="true"><span .style=${`width: ${percent}%`}></span></div>`;
}

function summary(): string {
  const { uploads } = texts;
  const all = queue.uploads;
  const count = (...states: State[]) => all.filter(({ state }) => states.includes(state)).length;
  const running = all.filter(({ goesOn }) => goesOn);
  if (running.length) {
    const speed = sum(running, (upload) => upload.speed.value ?? 0);
    const left = sum(running, ({ size, bytes }) => size - bytes) / speed;
    const moving = running.some(({ state }) => state === "sending") && Number.isFinite(left);
    return [uploads.running(running.length), ...(moving ? [uploads.timeLeft(duration(left))] : [])].join(" · ");
  }
  const [paused, interrupted, unwell] = [count("paused", "held"), count("interrupted"), count("bad", "refused", "failed")];
  if (paused) return uploads.paused(paused);
  if (interrupted) return uploads.interrupted(interrupted);
  if (unwell) return uploads.unwell(unwell);
  const arrived = count("done", "checking");
  return arrived ? uploads.arrived(arrived) : uploads.title;
}

function sum(uploads: readonly Upload[], value: (upload: Upload) => number): number {
  return uploads.reduce((total, upload) => total + value(upload), 0);
}
