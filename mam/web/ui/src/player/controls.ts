/** The controls and menus over the picture, built of media-chrome's elements. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { texts } from "../texts/index.js";
import type { StatusView } from "../shared/types.js";
import { percentOf } from "./status.js";

/** How many choices each menu has. */
export interface Choices {
  qualities: number;
  sounds: number;
  subtitles: number;
}

const words = texts.player;
const RATES = "0.5 0.75 1 1.25 1.5 1.75 2";

/** Buttons in the middle of the picture, large enough for touch. */
export function centre(): TemplateResult {
  return html`
    <media-loading-indicator slot="centered-chrome" noautohide></media-loading-indicator>
    <div slot="centered-chrome" class="mam-centre">
      <media-seek-backward-button seekoffset="10" notooltip></media-seek-backward-button>
      <media-play-button notooltip></media-play-button>
      <media-seek-forward-button seekoffset="10" notooltip></media-seek-forward-button>
    </div>
  `;
}

/** What the video has, as far as buttons depend on it. */
interface Offers {
  hasSubtitles: boolean;
  hasPicture: boolean;
}

export function bottom(status: StatusView | null, { hasSubtitles, hasPicture }: Offers): TemplateResult {
  return html`
    <div class="mam-bottom">
      <div class="mam-timeline">
        <media-time-range></media-time-range>
        ${status?.state === "making" ? made(status) : nothing}
      </div>
      <media-control-bar>
        <media-play-button></media-play-button>
        <media-mute-button></media-mute-button>
        <media-volume-range></media-volume-range>
        <media-time-display showduration notoggle></media-time-display>
        <span class="mam-space"></span>
        ${status?.state === "making"
          ? html`<span class="mam-percent number" title=${words.makingHint}>${words.made(percentOf(status))}</span>`
          : nothing}
        ${hasSubtitles ? html`<media-captions-button></media-captions-button>` : nothing}
        <media-settings-menu-button aria-label=${words.settings}></media-settings-menu-button>
        ${hasPicture ? html`<media-pip-button></media-pip-button>` : nothing}
        <media-fullscreen-button></media-fullscreen-button>
      </media-control-bar>
    </div>
  `;
}

/** Finished parts along the time line. Each is drawn at least a thousandth of the video wide. */
function made(status: StatusView): TemplateResult {
  const length = status.duration || 1;
  const part = ([from, to]: [number, number]) =>
    svg`<rect x=${from} y="0" width=${Math.max(to - from, length / 1000)} height="1"></rect>`;
  return html`<svg class="mam-made" role="img" aria-label=${words.made(percentOf(status))}
    viewBox=${`0 0 ${length} 1`} preserveAspectRatio="none">${status.made.map(part)}</svg>`;
}

export interface MenuActions {
  statistics: () => void;
  help: () => void;
}

/** No white space between the items: media-chrome removes it, and lit needs its nodes. */
export function menus({ qualities, sounds, subtitles }: Choices, actions: MenuActions): TemplateResult {
  const quality = html`<media-rendition-menu slot="submenu" hidden>${title(words.quality)}</media-rendition-menu>`;
  const audio = html`<media-audio-track-menu slot="submenu" hidden>${title(words.audio)}</media-audio-track-menu>`;
  const captions = html`<media-captions-menu slot="submenu" hidden>${title(words.subtitles)}</media-captions-menu>`;
  const speed = html`<media-playback-rate-menu slot="submenu" rates=${RATES} hidden>${title(words.speed)}</media-playback-rate-menu>`;
  const items = [
    qualities > 1 && item(words.quality, quality),
    sounds > 1 && item(words.audio, audio),
    subtitles > 0 && item(words.subtitles, captions),
    item(words.speed, speed),
    action(words.statistics, actions.statistics),
    action(words.help, actions.help, "mam-keys"),
  ];
  return html`<media-settings-menu hidden anchor="auto" aria-label=${words.settings}>${items.map((each) => each || nothing)}</media-settings-menu>`;
}

function action(name: string, act: () => void, kind = ""): TemplateResult {
  return html`<media-chrome-menu-item class="mam-action ${kind}" @click=${act}>${name}</media-chrome-menu-item>`;
}

function item(name: string, submenu: TemplateResult): TemplateResult {
  return html`<media-settings-menu-item>${name}${submenu}</media-settings-menu-item>`;
}

function title(name: string): TemplateResult {
  return html`<div slot="title">${name}</div>`;
}

export function help(close: () => void): TemplateResult {
  return html`<dialog class="mam-help" aria-labelledby="mam-help-title" @click=${(event: Event) => event.target === event.currentTarget && close()}>
    <h2 id="mam-help-title">${words.help}</h2>
    <dl>${words.keys.map(
      ([keys, does]) => html`<div><dt>${keys.map((key) => (key === "…" ? key : html`<kbd>${key}</kbd>`))}</dt><dd>${does}</dd></div>`,
    )}</dl>
    <div class="actions"><button class="button" @click=${close}>${texts.close}</button></div>
  </dialog>`;
}
