/** The player element: starts the engine, follows the video and draws what lies over it. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { ref } from "lit/directives/ref.js";
import { problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { titleOf } from "../shared/names.js";
import { part } from "../shared/parts.js";
import { MOVED } from "../shared/router.js";
import type { Problem, StatusView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { playlistUrl, statusUrl, watchUrl, wishesOf } from "./address.js";
import { Captions } from "./captions.js";
import { canRemember, captionTracks, choose, chosen, rememberSubtitles, showChosen } from "./choices.js";
import { Commands } from "./commands.js";
import { bottom, centre, type Choices, help, menus } from "./controls.js";
import type { Engine, Told } from "./engine.js";
import { pressed } from "./keys.js";
import { Lists } from "./lists.js";
import { hasMediaSource, loadParts } from "./modules.js";
import { failurePanel, labelChrome, statisticsPanel, top } from "./overlays.js";
import { ask, began } from "./prefetch.js";
import { forget, remember, stoppedAt } from "./resume.js";
import { type PlaybackFailure, Retries } from "./retries.js";
import { statistics } from "./statistics.js";
import { StatusWatch } from "./status.js";
import { Timers } from "./timers.js";
import { whyNothing } from "./waiting.js";

/** Fired when the stream's status has changed; bubbles. `detail`: StatusView. */
export const STATUS = "mam-status";
/** Fired when a playlist arrives with signed URLs; bubbles. `detail`: their end, in Unix seconds. */
export const SIGNED = "mam-signed";

const WAITING_MS = 2500; // After this wait the player shows why nothing plays yet.
const WHY_MS = 1000; // The reason is updated this often.
const MESSAGE_MS = 900;
const RESUMED_MS = 8000;
const REMEMBER_MS = 5000; // The position is saved this often.
const LAST_SECONDS = 3; // If an address names a time after the end, this much of the end is played.

const words = texts.player;

class Player extends Element implements Told {
  static override properties = {
    bucket: {},
    path: {},
    embedded: { type: Boolean },
    status: { state: true },
    failure: { state: true },
    notice: { state: true },
    message: { state: true },
    resumed: { state: true },
    choices: { state: true },
    showsStatistics: { state: true },
    isSound: { state: true },
    storyboardLoads: { state: true },
  };
  declare bucket: string;
  declare path: string;
  declare embedded: boolean;
  declare status: StatusView | null;
  declare failure: PlaybackFailure | null;
  declare notice: string; // shown while it holds
  declare message: string; // shown for a moment after a key
  declare resumed: number | null;
  declare choices: Choices;
  declare showsStatistics: boolean;
  declare isSound: boolean;
  declare storyboardLoads: number; // a new number loads the storyboard again

  private readonly lists = new Lists();
  private engine: Engine | null = null;
  private watch: StatusWatch | null = null;
  private begun = 0;
  private startAt: number | null = null; // seconds
  private captions: Captions | null = null;
  private firstFrame: number | null = null; // milliseconds
  private startings = 0;
  private remembered = 0;
  private readonly timers = new Timers();
  private readonly commands = new Commands(this);
  private readonly retries = new Retries(this.timers, (failure) => (this.failure = failure), () => this.retry());

  constructor() {
    super();
    this.embedded = false;
    this.status = this.failure = this.resumed = null;
    this.notice = this.message = "";
    this.choices = { qualities: 0, sounds: 0, subtitles: 0 };
    this.showsStatistics = this.isSound = false;
    this.storyboardLoads = 0;
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

  // start and end

  override connectedCallback(): void {
    super.connectedCallback();
    this.begun = began();
    ask(this.url); // before the modules that play it have loaded
    loadParts();
    this.on(document, "keydown", (event) => this.key(event as KeyboardEvent));
    this.on(window, MOVED, () => this.moved());
    this.on(window, "pagehide", () => this.remember());
    this.on(window, "online", () => this.failure?.retryIn && this.retry());
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
    if (this.resumed !== null) this.timers.start("resumed", RESUMED_MS, () => (this.resumed = null));
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
    this.timers.start("waiting", WAITING_MS, () => this.sayWhy());
    const [, parts] = await part(() =>
      Promise.all([import("./chrome.js"), hasMediaSource() ? import("./streaming.js") : import("./native.js")]),
    );
    if (starting !== this.startings || !this.isConnected) return;
    this.requestUpdate(); // the menus have loaded
    this.engine?.destroy();
    if (hasMediaSource()) this.drawCaptions();
    this.engine =
      "Streaming" in parts
        ? new parts.Streaming(this.video, this.url, at, this, this.lists)
        : new parts.Native(this.video, this.url, at, this);
    if (plays) this.video.play().catch(() => undefined); // the browser may require a click first
  }

  private stop(): void {
    this.remember();
    this.startings += 1;
    this.watch?.stop();
    this.engine?.destroy();
    this.captions?.stop();
    this.engine = this.watch = this.captions = null;
    this.timers.stopAll();
  }

  /** The address has changed, perhaps to another time of this video. */
  private moved(): void {
    const { at } = wishesOf(location.search);
    if (at !== null && location.pathname === watchUrl(this.bucket, this.path)) this.commands.seekTo(at);
  }

  private retry(): void {
    const { currentTime } = this.video;
    const at = currentTime || wishesOf(location.search).at || stoppedAt(this.name);
    this.retries.stop();
    this.failure = null;
    void this.start(at, true);
  }

  /** Shows why nothing plays, and updates it while that lasts. */
  private sayWhy(): void {
    if (this.notice !== words.offline) this.notice = whyNothing(this.engine?.waiting() ?? null);
    this.timers.start("waiting", WHY_MS, () => this.sayWhy());
  }

  private stopWaiting(): void {
    this.timers.stop("waiting");
    if (this.notice !== words.offline) this.notice = "";
  }

  private stalled(): void {
    if (this.firstFrame !== null && !this.video.paused) this.timers.start("waiting", WAITING_MS, () => this.sayWhy());
  }

  // events of the engine

  failed(problem: Problem, retryAfter: number | null, isOutdated = false): void {
    this.timers.stop("waiting");
    this.notice = "";
    if (isOutdated && this.retries.mayReload()) return this.retry();
    this.failure = this.retries.failed(problem, retryAfter);
    if (this.failure.retryIn === null) void this.watchStatus().look();
  }

  lost(isLost: boolean): void {
    if (isLost) this.notice = words.offline;
    else if (this.notice === words.offline) this.notice = "";
  }

  renewed(): void {
    this.storyboardLoads += 1;
    void this.watchStatus().look();
  }

  signed(until: number): void {
    this.dispatchEvent(new CustomEvent(SIGNED, { detail: until, bubbles: true }));
  }

  // events of the video

  /** A start time after the end (from the address, or saved for a longer video) plays the last seconds. */
  private measured(): void {
    const { duration } = this.video;
    if (this.startAt !== null && this.startAt >= duration) this.video.currentTime = Math.max(0, duration - LAST_SECONDS);
    this.startAt = null;
    this.video.playbackRate = this.video.defaultPlaybackRate = chosen().speed ?? 1;
  }

  /** A portrait video gets a portrait player. */
  private sized(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    this.toggleAttribute("upright", height > width);
    if (width) this.style.setProperty("--ratio", String(width / height));
  }

  private loaded(): void {
    this.stopWaiting();
    this.retries.succeeded();
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

  /** Remembers choices. media-chrome stops these events, so they are captured before it handles them. */
  private hearChoices(): void {
    const capture = { capture: true };
    for (const kind of ["mediashowsubtitlesrequest", "mediadisablesubtitlesrequest", "mediatogglesubtitlesrequest"]) {
      const isToggled = kind === "mediatogglesubtitlesrequest";
      this.on(this, kind, () => this.timers.start("chosen", 0, () => rememberSubtitles(this.video, isToggled)), capture);
    }
    this.on(this, "mediaplaybackraterequest", (event) => choose({ speed: Number((event as CustomEvent).detail) }), capture);
  }

  // commands

  private key(event: KeyboardEvent): void {
    const screen = this.querySelector("media-controller");
    if (screen && !this.failure) pressed(event, screen, this.commands);
  }

  showMessage(text: string): void {
    this.message = text;
    this.timers.start("message", MESSAGE_MS, () => (this.message = ""));
  }

  toggleStatistics(): void {
    this.showsStatistics = !this.showsStatistics;
    this.tick();
  }

  private tick(): void {
    if (!this.showsStatistics) return;
    this.requestUpdate();
    this.timers.start("statistics", 1000, () => this.tick());
  }

  private fromStart(): void {
    this.resumed = null;
    forget(this.name);
    this.commands.seekTo(0);
  }

  // view

  protected override updated(): void {
    labelChrome(this, this.label);
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
        ${menus(this.choices, { statistics: () => this.toggleStatistics(), help: () => this.commands.showHelp() })}
        ${this.showsStatistics
          ? statisticsPanel(statistics(this.video, this.engine, this.firstFrame), () => this.toggleStatistics())
          : nothing}
        ${this.failure ? failurePanel(this.failure, () => this.retry()) : nothing}
      </media-controller>
      ${help(closeHelp)}
    `;
  }

  /** Called before the video is in the page: media-chrome reads its lists when it is added. */
  private readonly listAt = (video: globalThis.Element | undefined): void => {
    if (video && hasMediaSource()) this.lists.attach(video as HTMLVideoElement);
  };

  private storyboard(): TemplateResult | typeof nothing {
    const url = this.status?.storyboard;
    if (!url) return nothing;
    return html`${keyed(`${url} ${this.storyboardLoads}`, html`<track kind="metadata" label="thumbnails" src=${url} default />`)}`;
  }

  private top(): TemplateResult {
    return top({
      title: titleOf(this.path),
      pageUrl: this.embedded ? watchUrl(this.bucket, this.path) : null,
      captions: this.captions?.render(true) ?? nothing,
      notice: this.notice,
      message: this.message,
      resumed: this.resumed,
      isSound: this.isSound,
      fromStart: () => this.fromStart(),
    });
  }
}
customElements.define("mam-player", Player);

declare global {
  interface HTMLElementTagNameMap {
    "mam-player": Player;
  }
}
