/** What lies over the picture besides the controls: title, messages, captions at the top, statistics, failures. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { texts } from "../texts/index.js";
import type { PlaybackFailure } from "./retries.js";

const words = texts.player;

interface Top {
  title: string;
  pageUrl: string | null; // of an embedded player: its own page
  captions: TemplateResult | typeof nothing;
  notice: string;
  message: string;
  resumed: number | null; // seconds
  isSound: boolean;
  fromStart(): void;
}

export function top({ title, pageUrl, captions, notice, message, resumed, isSound, fromStart }: Top): TemplateResult {
  return html`
    <div slot="top-chrome" class="mam-top">
      ${pageUrl
        ? html`<a href=${pageUrl} target="_blank" rel="noopener" aria-label=${words.openPage(title)}>${title}</a>`
        : nothing}
    </div>
    <div slot="top-chrome" class="mam-captions is-top" noautohide>${captions}</div>
    <div slot="top-chrome" class="mam-notices" noautohide role="status">
      ${notice ? html`<span class="mam-notice">${notice}</span>` : nothing}
      ${message ? html`<span class="mam-notice">${message}</span>` : nothing}
      ${resumed === null
        ? nothing
        : html`<span class="mam-notice">${words.resumed(duration(resumed))}
            <button @click=${fromStart}>${words.fromStart}</button></span>`}
    </div>
    ${isSound ? html`<div slot="top-chrome" class="mam-sound" noautohide>${icon("sound")}<span>${title}</span><small>${words.soundOnly}</small></div>` : nothing}
  `;
}

export function statisticsPanel(rows: TemplateResult, close: () => void): TemplateResult {
  return html`<div class="mam-statistics" noautohide>
    <button class="icon-button" aria-label=${words.closeStatistics} title=${words.closeStatistics}
      @click=${close}>${icon("close")}</button>
    <dl aria-label=${words.statistics}>${rows}</dl>
  </div>`;
}

export function failurePanel({ problem, retryIn }: PlaybackFailure, retry: () => void): TemplateResult {
  return html`<div class="mam-problem" noautohide role="alert">
    ${icon("warning")}
    <h2>${problem.title}</h2>
    ${problem.detail && problem.detail !== problem.title ? html`<p>${problem.detail}</p>` : nothing}
    <p class="mam-hint">${problem.hint}</p>
    <div class="mam-retry">
      <button class="button" @click=${retry}>${icon("convert")}${texts.retry}</button>
      ${retryIn ? html`<span class="number">${words.retryIn(retryIn)}</span>` : nothing}
    </div>
  </div>`;
}

/** Corrects the roles and labels that media-chrome's elements set themselves. */
export function labelChrome(player: HTMLElement, label: string): void {
  player.querySelector("media-controller")?.setAttribute("aria-label", label);
  const captions = player.querySelector("media-captions-button");
  captions?.setAttribute("role", "switch"); // a plain button has no aria-checked
  captions?.setAttribute("aria-label", words.subtitles);
  for (const menu of player.querySelectorAll("[role=menu]")) {
    const back = menu.shadowRoot?.querySelector("[part~=back]");
    back?.setAttribute("role", "menuitem"); // a menu has no other buttons
    back?.setAttribute("aria-label", words.back(menu.querySelector("[slot=title]")?.textContent ?? ""));
  }
}

/** The pictures over the time line. `loads`: a new number loads them again. */
export function storyboard(url: string | null | undefined, loads: number): TemplateResult | typeof nothing {
  if (!url) return nothing;
  return html`${keyed(`${url} ${loads}`, html`<track kind="metadata" label="thumbnails" src=${url} default />`)}`;
}
