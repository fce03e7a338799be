/** The player. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { ref } from "lit/directives/ref.js";
import { type Problem, problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { duration as clock } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { titleOf } from "../shared/names.js";
import { part } from "../shared/parts.js";
import { MOVED } from "../shared/router.js";
import { texts } from "../texts/index.js";
import { playlistUrl, statusUrl, watchUrl, wishesOf } from "./address.js";
import { Captions } from "./captions.js";
import { canRemember, captionTracks, choose, chosen, rememberSubtitles, showChosen } from "./choices.js";
import { bottom, centre, type Choices, help, menus } from "./controls.js";
import type { Engine, Told } from "./engine.js";
import { type Playing, pressed } from "./keys.js";
import { Lists } from "./lists.js";
import { ask, began, hasMediaSource, loadParts } from "./prefetch.js";
import { forget, remember, stoppedAt } from "./resume.js";
import { statistics } from "./statistics.js";
import { StatusWatch, type StreamStatus } from "./status.js";
import { whyNothing } from "./waiting.js";

/** Fired when the stream's status has changed; bubbles. `detail`: StreamStatus. */
export const STATUS = "mam-status";
/** Fired when it is known until when what was loaded is signed; bubbles. `detail`: Unix seconds. */
export const SIGNED = "mam-signed";

const WAITING_MS = 2500; // after which it is said why nothing comes yet
const WHY_MS = 1000; // between two looks at why
const SAID_MS = 900;
const RESUMED_MS = 8000;
const REMEMBER_MS = 5000; // between two times that the place is remembered
const RETRY_SECONDS = [3, 5, 10, 20, 30];
const PASSES = ["unreachable", "segment_pending", "too_many_conversions"]; // and whatever names a Retry-After
const RELOADS = 3; // of the playlist in a minute, by itself
const RELOADS_MS = 60_000;
const LAST_SECONDS = 3; // what is shown where an address names a time after the end

const words = texts.player;

interface Trouble {
  problem: Problem;
  retryIn: number | null; // seconds
}

class Player extends Element implements Playing, Told {
  static override properties = {
    bucket: {},
    path: {},
    embedded: { type: Boolean },
    status: { state: true },
    trouble: { state: true },
    notice: { state: true },
    said: { state: true },
    resumed: { state: true },
    choices: { state: true },
    showsStatistics: { state: true },
    isSound: { state: true },
    board: { state: true },
  };
  declare bucket: string;
  declare path: string;
  declare embedded: boolean;
  declare status: StreamStatus | null;
  declare trouble: Trouble | null;
  declare notice: string; // stands until what it says is over
  declare said: string; // what a key did
  declare resumed: number | null;
  declare choices: Choices;
  declare showsStatistics: boolean;
  declare isSound: boolean;
  declare board: number; // counts how often the storyboard was loaded anew

  private readonly lists = new Lists();
  private engine: Engine | null = null;
  private watch: StatusWatch | null = null;
  private begun = 0;
  private startAt: number | null = null; // seconds
  private captions: Captions | null = null;
  private reloads: number[] = []; // when
  private firstFrame: number | null = null; // milliseconds
  private retries = 0;
  private startings = 0;
  private remembered = 0;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor() {
    super();
    this.embedded = false;
    this.status = this.trouble = this.resumed = null;
    this.notice = this.said = "";
    this.choices = { qualities: 0, sounds: 0, subtitles: 0 };
    this.showsStatistics = this.isSound = false;
    this.board = 0;
  }

  get video(): HTMLVideoElement {
    return this.querySelector("video")!;
  }

  /** Seconds. */
  get currentTime(): number {
    return this.querySelector("video")?.currentTime ?? 0;
  }

  private get name(): string {
    return `${this.bucket}/${this.path}`;
  }

  private get url(): string {
    return playlistUrl(this.bucket, this.path);
  }

  // life

  override connectedCallback(): void {
    super.connectedCallback();
    this.begun = began();
    ask(this.url); // on its way before anything that plays it is there
    loadParts();
    this.on(document, "keydown", (event) => this.key(event as KeyboardEvent));
    this.on(window, MOVED, () => this.moved());
    this.on(window, "pagehide", () => this.remember());
    this.on(window, "online", () => this.trouble?.retryIn && this.retry());
    this.cleanUp(() => this.stop());
  }

  protected override firstUpdated(): void {
    const { video } = this;
    const wishes = wishesOf(location.search);
    if (this.embedded && wishes.muted) video.muted = true;
    const tracks = video.textTracks;
    for (const kind of ["addtrack", "removetrack"]) this.on(tracks, kind, () => this.countChoices());
    this.on(tracks, "addtrack", (event) => showChosen(this.video, (event as TrackEvent).track));
    this.hearChoices();
    this.on(this.lists.renditions, "addrendition", () => this.countChoices());
    this.on(this.lists.sounds, "addtrack", () => this.countChoices());
    const at = wishes.at ?? stoppedAt(this.name);
    this.resumed = wishes.at === null ? at : null;
    if (this.resumed !== null) this.later("resumed", RESUMED_MS, () => (this.resumed = null));
    void this.start(at, !this.embedded || wishes.autoplay);
  }

  private async start(at: number | null, plays: boolean): Promise<void> {
    const starting = ++this.startings;
    try {
      await this.begin(starting, at, plays);
    } catch (error) {
      if (starting === this.startings && this.isConnected) this.failed(problemOf(error), null);
    }
  }

  private async begin(starting: number, at: number | null, plays: boolean): Promise<void> {
    ask(this.url);
    this.startAt = at;
    this.later("waiting", WAITING_MS, () => this.sayWhy());
    const [, parts] = await part(() =>
      Promise.all([import("./chrome.js"), hasMediaSource() ? import("./streaming.js") : import("./native.js")]),
    );
    if (starting !== this.startings || !this.isConnected) return;
    this.requestUpdate(); // the menus are there now
    this.engine?.destroy();
    if (hasMediaSource()) this.drawCaptions();
    this.engine =
      "Streaming" in parts
        ? new parts.Streaming(this.video, this.url, at, this, this.lists)
        : new parts.Native(this.video, this.url, at, this);
    if (plays) this.video.play().catch(() => undefined); // the browser may want a click first
  }

  private stop(): void {
    this.remember();
    this.startings += 1;
    this.watch?.stop();
    this.engine?.destroy();
    this.captions?.stop();
    this.engine = this.watch = this.captions = null;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  /** The address has changed: perhaps to another time of this video. */
  private moved(): void {
    const { at } = wishesOf(location.search);
    if (at !== null && location.pathname === watchUrl(this.bucket, this.path)) this.seekTo(at);
  }

  private retry(): void {
    const { currentTime } = this.video;
    const at = currentTime || wishesOf(location.search).at || stoppedAt(this.name);
    clearTimeout(this.timers.get("retry"));
    this.trouble = null;
    void this.start(at, true);
  }

  private later(name: string, milliseconds: number, act: () => void): void {
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(act, milliseconds));
  }

  /** Says why nothing is seen yet, or any more, and again while that lasts. */
  private sayWhy(): void {
    if (this.notice !== words.offline) this.notice = whyNothing(this.engine?.waiting() ?? null);
    this.later("waiting", WHY_MS, () => this.sayWhy());
  }

  private stopWaiting(): void {
    clearTimeout(this.timers.get("waiting"));
    if (this.notice !== words.offline) this.notice = "";
  }

  private stalled(): void {
    if (this.firstFrame !== null && !this.video.paused) this.later("waiting", WAITING_MS, () => this.sayWhy());
  }

  // told by the engine

  failed(problem: Problem, retryAfter: number | null, isOutdated = false): void {
    clearTimeout(this.timers.get("waiting"));
    this.notice = "";
    if (isOutdated && this.mayReload()) return this.retry();
    const passes = retryAfter !== null || PASSES.includes(problem.code);
    const seconds = RETRY_SECONDS[Math.min(this.retries, RETRY_SECONDS.length - 1)]!;
    this.trouble = { problem, retryIn: passes ? Math.max(retryAfter ?? 0, seconds) : null };
    this.retries += 1;
    if (passes) this.countDown();
    else void this.watchStatus().look();
  }

  /** A playlist that changes again and again is not asked for again and again. */
  private mayReload(): boolean {
    const now = performance.now();
    this.reloads = [...this.reloads.filter((at) => now - at < RELOADS_MS), now];
    return this.reloads.length <= RELOADS;
  }

  private countDown(): void {
    this.later("retry", 1000, () => {
      const left = this.trouble?.retryIn;
      if (!this.trouble || !left) return;
      if (left <= 1) return this.retry();
      this.trouble = { ...this.trouble, retryIn: left - 1 };
      this.countDown();
    });
  }

  lost(isLost: boolean): void {
    if (isLost) this.notice = words.offline;
    else if (this.notice === words.offline) this.notice = "";
  }

  renewed(): void {
    this.board += 1;
    void this.watchStatus().look();
  }

  signed(until: number): void {
    this.dispatchEvent(new CustomEvent(SIGNED, { detail: until, bubbles: true }));
  }

  // told by the video

  /** A time after the end, in the address or of a longer video before, is no reason to begin at the beginning. */
  private measured(): void {
    const { duration } = this.video;
    if (this.startAt !== null && this.startAt >= duration) this.video.currentTime = Math.max(0, duration - LAST_SECONDS);
    this.startAt = null;
    this.video.playbackRate = this.video.defaultPlaybackRate = chosen().speed ?? 1;
  }

  /** An upright picture gets an upright player. */
  private sized(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    this.toggleAttribute("upright", height > width);
    if (width) this.style.setProperty("--ratio", String(width / height));
  }

  private loaded(): void {
    this.stopWaiting();
    this.retries = 0;
    this.isSound = this.video.videoWidth === 0;
    this.toggleAttribute("sound", this.isSound);
    this.countChoices();
    void this.watchStatus().look();
    if (this.firstFrame !== null) return;
    const shown = () => {
      this.firstFrame ??= performance.now() - this.begun;
      performance.measure("mam-first-frame", { start: this.begun, duration: this.firstFrame });
    };
    if ("requestVideoFrameCallback" in this.video && !this.isSound) this.video.requestVideoFrameCallback(shown);
    else shown();
  }

  private watchStatus(): StatusWatch {
    return (this.watch ??= new StatusWatch(statusUrl(this.bucket, this.path), (status) => {
      this.status = status;
      this.dispatchEvent(new CustomEvent(STATUS, { detail: status, bubbles: true }));
    }));
  }

  private progressed(): void {
    const now = performance.now();
    if (now - this.remembered < REMEMBER_MS) return;
    this.remembered = now;
    this.remember();
  }

  private remember(): void {
    const video = this.querySelector("video");
    if (video && Number.isFinite(video.duration) && video.currentTime > 0) remember(this.name, video.currentTime, video.duration);
  }

  private countChoices(): void {
    const { renditions, sounds } = this.lists;
    const subtitles = captionTracks(this.video).length;
    this.choices = { qualities: renditions.length, sounds: sounds.length, subtitles };
  }

  // subtitles

  private drawCaptions(): void {
    this.video.classList.add("has-own-captions");
    this.captions ??= new Captions(this.video, () => this.requestUpdate());
  }

  /** Requests of people: media-chrome lets none of them out, and heeds them after this. */
  private hearChoices(): void {
    const capture = { capture: true };
    for (const kind of ["mediashowsubtitlesrequest", "mediadisablesubtitlesrequest", "mediatogglesubtitlesrequest"]) {
      const isToggled = kind === "mediatogglesubtitlesrequest";
      this.on(this, kind, () => this.later("chosen", 0, () => rememberSubtitles(this.video, isToggled)), capture);
    }
    this.on(this, "mediaplaybackraterequest", (event) => choose({ speed: Number((event as CustomEvent).detail) }), capture);
  }

  // what keys do

  private key(event: KeyboardEvent): void {
    const screen = this.querySelector("media-controller");
    if (screen && !this.trouble) pressed(event, screen, this);
  }

  private say(text: string): void {
    this.said = text;
    this.later("said", SAID_MS, () => (this.said = ""));
  }

  request(name: string, detail?: unknown): void {
    this.querySelector("media-controller")?.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  seekTo(seconds: number): void {
    if (!Number.isFinite(seconds)) return;
    this.video.currentTime = Math.max(0, Math.min(seconds, this.video.duration || seconds));
    this.request("mediauseractive");
  }

  seekBy(seconds: number): void {
    this.seekTo(this.video.currentTime + seconds);
    this.say(words.said.seek(seconds));
  }

  togglePlay(): void {
    const { video } = this;
    this.say(video.paused ? words.said.play : words.said.pause);
    this.request(video.paused ? "mediaplayrequest" : "mediapauserequest");
  }

  changeVolume(by: number): void {
    const volume = Math.round(20 * Math.max(0, Math.min(1, this.video.volume + by))) / 20;
    this.request("mediavolumerequest", volume);
    if (volume && this.video.muted) this.request("mediaunmuterequest");
    this.say(words.said.volume(Math.round(100 * volume)));
  }

  toggleMuted(): void {
    this.say(this.video.muted ? words.said.unmuted : words.said.muted);
    this.request(this.video.muted ? "mediaunmuterequest" : "mediamuterequest");
  }

  changeSpeed(by: number): void {
    const rate = Math.max(0.25, Math.min(2, this.video.playbackRate + by));
    this.request("mediaplaybackraterequest", rate);
    this.say(words.said.speed(String(rate)));
  }

  toggleStatistics(): void {
    this.showsStatistics = !this.showsStatistics;
    this.tick();
  }

  private tick(): void {
    if (!this.showsStatistics) return;
    this.requestUpdate();
    this.later("statistics", 1000, () => this.tick());
  }

  showHelp(): void {
    this.querySelector<HTMLDialogElement>(".mam-help")?.showModal();
  }

  private fromStart(): void {
    this.resumed = null;
    forget(this.name);
    this.seekTo(0);
  }

  // what is seen

  protected override updated(): void {
    this.querySelector("media-controller")?.setAttribute("aria-label", this.label); // media-chrome writes its own there
    const captions = this.querySelector("media-captions-button");
    captions?.setAttribute("role", "switch"); // a plain button has no aria-checked
    captions?.setAttribute("aria-label", words.subtitles);
    for (const menu of this.querySelectorAll("[role=menu]")) {
      const back = menu.shadowRoot?.querySelector("[part~=back]");
      back?.setAttribute("role", "menuitem"); // a menu may have no other buttons
      back?.setAttribute("aria-label", words.back(menu.querySelector("[slot=title]")?.textContent ?? ""));
    }
  }

  private get label(): string {
    return `${words.player}: ${titleOf(this.path)}`;
  }

  protected override render(): TemplateResult {
    const closeHelp = () => this.querySelector<HTMLDialogElement>(".mam-help")?.close();
    return html`
      <media-controller class="mam-screen ${this.isSound ? "is-sound" : ""}" nohotkeys nosubtitleslangpref
        ?novolumepref=${!canRemember()} ?nomutedpref=${!canRemember()} aria-label=${this.label}>
        <video ${ref(this.listAt)} slot="media" playsinline preload="auto" poster=${this.status?.poster ?? nothing}
          @loadedmetadata=${() => this.measured()} @resize=${() => this.sized()} @loadeddata=${() => this.loaded()}
          @waiting=${() => this.stalled()} @playing=${() => this.stopWaiting()} @seeking=${() => this.stopWaiting()}
          @timeupdate=${() => this.progressed()} @pause=${() => this.remember()}
          @ended=${() => forget(this.name)}>
          ${this.storyboard()}
        </video>
        ${this.top()} ${centre()}
        <div class="mam-captions" noautohide>${this.captions?.render(false) ?? nothing}</div>
        ${bottom(this.status, { hasSubtitles: this.choices.subtitles > 0, hasPicture: !this.isSound })}
        ${menus(this.choices, { statistics: () => this.toggleStatistics(), help: () => this.showHelp() })}
        ${this.showsStatistics
          ? html`<div class="mam-statistics" noautohide>
              <button class="icon-button" aria-label=${words.closeStatistics} title=${words.closeStatistics}
                @click=${() => this.toggleStatistics()}>${icon("close")}</button>
              <dl aria-label=${words.statistics}>${statistics(this.video, this.engine, this.firstFrame)}</dl>
            </div>`
          : nothing}
        ${this.problem()}
      </media-controller>
      ${help(closeHelp)}
    `;
  }

  /** Called before the video is in the page: media-chrome looks at its lists as soon as it is. */
  private readonly listAt = (video: globalThis.Element | undefined): void => {
    if (video && hasMediaSource()) this.lists.attach(video as HTMLVideoElement);
  };

  private storyboard(): TemplateResult | typeof nothing {
    const url = this.status?.storyboard;
    if (!url) return nothing;
    return html`${keyed(`${url} ${this.board}`, html`<track kind="metadata" label="thumbnails" src=${url} default />`)}`;
  }

  private top(): TemplateResult {
    const title = titleOf(this.path);
    return html`
      <div slot="top-chrome" class="mam-top">
        ${this.embedded
          ? html`<a href=${watchUrl(this.bucket, this.path)} target="_blank" rel="noopener" aria-label=${words.openPage(title)}>${title}</a>`
          : nothing}
      </div>
      <div slot="top-chrome" class="mam-captions is-top" noautohide>${this.captions?.render(true) ?? nothing}</div>
      <div slot="top-chrome" class="mam-notices" noautohide role="status">
        ${this.notice ? html`<span class="mam-notice">${this.notice}</span>` : nothing}
        ${this.said ? html`<span class="mam-notice">${this.said}</span>` : nothing}
        ${this.resumed === null
          ? nothing
          : html`<span class="mam-notice">${words.resumed(clock(this.resumed))}
              <button @click=${() => this.fromStart()}>${words.fromStart}</button></span>`}
      </div>
      ${this.isSound ? html`<div slot="top-chrome" class="mam-sound" noautohide>${icon("sound")}<span>${title}</span><small>${words.soundOnly}</small></div>` : nothing}
    `;
  }

  private problem(): TemplateResult | typeof nothing {
    if (!this.trouble) return nothing;
    const { problem, retryIn } = this.trouble;
    return html`<div class="mam-problem" noautohide role="alert">
      ${icon("warning")}
      <h2>${problem.title}</h2>
      ${problem.detail && problem.detail !== problem.title ? html`<p>${problem.detail}</p>` : nothing}
      <p class="mam-hint">${problem.hint}</p>
      <div class="mam-retry">
        <button class="button" @click=${() => this.retry()}>${icon("convert")}${texts.retry}</button>
        ${retryIn ? html`<span class="number">${words.retryIn(retryIn)}</span>` : nothing}
      </div>
    </div>`;
  }
}
customElements.define("mam-player", Player);

declare global {
  interface HTMLElementTagNameMap {
    "mam-player": Player;
  }
}
