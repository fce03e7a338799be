/** The player element: starts the engine, follows the video and draws what lies over it. */
import { html, nothing, type TemplateResult } from "lit";
import { ref } from "lit/directives/ref.js";
import { problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { titleOf } from "../shared/names.js";
import { part } from "../shared/parts.js";
import { MOVED } from "../shared/router.js";
import type { Problem, StatusView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { ownPlaylistUrl, statusUrl, watchUrl, wishesOf } from "./address.js";
import { Captions } from "./captions.js";
import { canRemember } from "./choices.js";
import { Commands } from "./commands.js";
import { bottom, centre, help, menus } from "./controls.js";
import { ChoiceCount } from "./counting.js";
import type { Engine, EngineEvents } from "./engine.js";
import { pressed } from "./keys.js";
import { FirstFrame } from "./first-frame.js";
import { Lists } from "./lists.js";
import { hasMediaSource, loadEngine, loadParts } from "./modules.js";
import { Notice } from "./notice.js";
import { failurePanel, labelChrome, statisticsPanel, storyboard, top } from "./overlays.js";
import { ask } from "./prefetch.js";
import { noteQualities } from "./qualities.js";
import { forget, Position, stoppedAt } from "./resume.js";
import { type PlaybackFailure, Retries } from "./retries.js";
import { fit, prepare } from "./shape.js";
import { statistics } from "./statistics.js";
import { StatusWatch } from "./status.js";
import { Timers } from "./timers.js";

/** Fired when the stream's status has changed; bubbles. `detail`: StatusView. */
export const STATUS = "mam-status";
/** Fired when a playlist arrives with signed URLs; bubbles. `detail`: their end, in Unix seconds. */
export const SIGNED = "mam-signed";

const RESUMED_MS = 8000;

const words = texts.player;

class Player extends Element implements EngineEvents {
  static override properties = {
    bucket: {},
    path: {},
    embedded: { type: Boolean },
    status: { state: true },
    failure: { state: true },
    resumed: { state: true },
    showsStatistics: { state: true },
    isSound: { state: true },
    storyboardLoads: { state: true },
  };
  declare bucket: string;
  declare path: string;
  declare embedded: boolean;
  declare status: StatusView | null;
  declare failure: PlaybackFailure | null;
  declare resumed: number | null;
  declare showsStatistics: boolean;
  declare isSound: boolean;
  declare storyboardLoads: number; // a new number loads the storyboard again

  private readonly lists = new Lists();
  private engine: Engine | null = null;
  private watch: StatusWatch | null = null;
  private startAt: number | null = null; // seconds
  private captions: Captions | null = null;
  private startings = 0;
  private readonly timers = new Timers();
  private readonly firstFrame = new FirstFrame();
  private readonly notice = new Notice(this.timers, () => this.engine?.waiting() ?? null, () => this.requestUpdate());
  private readonly position = new Position();
  private readonly choices = new ChoiceCount(this.lists, this.timers, () => this.requestUpdate());
  private readonly commands = new Commands(this, this.timers);
  private readonly retries = new Retries(this.timers, (failure) => (this.failure = failure), () => this.retry());

  constructor() {
    super();
    this.embedded = false;
    this.status = this.failure = this.resumed = null;
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
    return ownPlaylistUrl(this.bucket, this.path);
  }

  // start and end

  override connectedCallback(): void {
    super.connectedCallback();
    this.firstFrame.start();
    ask(this.url); // before the modules that play it have loaded
    loadParts();
    this.on(document, "keydown", (event) => this.key(event as KeyboardEvent));
    this.on(window, MOVED, () => this.moved());
    this.on(window, "pagehide", () => this.savePosition());
    this.on(window, "online", () => this.failure?.retryIn && this.retry());
    this.cleanUp(() => this.stop());
  }

  protected override firstUpdated(): void {
    const { video } = this;
    const wishes = wishesOf(location.search);
    if (this.embedded && wishes.muted) video.muted = true;
    this.choices.follow(this, video, (target, kind, listener, options) => this.on(target, kind, listener, options));
    this.on(this.lists.renditions, "change", () => void this.watchStatus().look()); // a rung may be in the making now
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
    this.notice.startWaiting();
    const create = await part(loadEngine);
    if (starting !== this.startings || !this.isConnected) return;
    this.requestUpdate(); // the menus have loaded
    this.engine?.destroy();
    if (hasMediaSource()) this.drawCaptions();
    this.engine = create(this.video, this.url, at, this, this.lists);
    if (plays) this.video.play().catch(() => undefined); // the browser may require a click first
  }

  private stop(): void {
    this.savePosition();
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
    const { startAt, video } = this; // the wanted time, until the video has loaded that far
    const at = (startAt ?? video.currentTime) || wishesOf(location.search).at || stoppedAt(this.name);
    this.retries.stop();
    this.failure = null;
    void this.start(at, true);
  }

  private stalled(): void {
    if (this.firstFrame.milliseconds !== null && !this.video.paused) this.notice.startWaiting();
  }

  // events of the engine

  failed(problem: Problem, retryAfter: number | null, isOutdated = false): void {
    this.notice.clear();
    if (isOutdated && this.retries.reload()) return;
    this.failure = this.retries.failed(problem, retryAfter);
    if (this.failure.retryIn === null) void this.watchStatus().look();
  }

  lost(isLost: boolean): void {
    this.notice.connection(isLost);
  }

  renewed(): void {
    this.storyboardLoads += 1;
    void this.watchStatus().look();
  }

  signed(until: number): void {
    this.dispatchEvent(new CustomEvent(SIGNED, { detail: until, bubbles: true }));
  }

  // events of the video

  private measured(): void {
    prepare(this.video, this.startAt);
    this.startAt = null;
  }

  private loaded(): void {
    this.notice.stopWaiting();
    this.retries.succeeded();
    this.isSound = this.video.videoWidth === 0;
    this.toggleAttribute("sound", this.isSound);
    this.choices.count(this.video);
    void this.watchStatus().look();
    this.firstFrame.loaded(this.video);
  }

  private watchStatus(): StatusWatch {
    return (this.watch ??= new StatusWatch(statusUrl(this.bucket, this.path), (status) => {
      this.status = status;
      this.dispatchEvent(new CustomEvent(STATUS, { detail: status, bubbles: true }));
    }));
  }

  private savePosition(): void {
    const video = this.querySelector("video");
    if (video) this.position.save(this.name, video);
  }

  private drawCaptions(): void {
    this.video.classList.add("has-own-captions");
    this.captions ??= new Captions(this.video, () => this.requestUpdate());
  }

  // commands

  private key(event: KeyboardEvent): void {
    const screen = this.querySelector("media-controller");
    if (screen && !this.failure) pressed(event, screen, this.commands);
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
    noteQualities(this, this.lists.renditions, this.status);
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
          @loadedmetadata=${() => this.measured()} @resize=${() => fit(this, this.video)} @loadeddata=${() => this.loaded()}
          @waiting=${() => this.stalled()} @playing=${() => this.notice.stopWaiting()} @seeking=${() => this.notice.stopWaiting()}
          @timeupdate=${() => this.position.progressed(this.name, this.video)} @pause=${() => this.savePosition()}
          @ended=${() => forget(this.name)}>
          ${storyboard(this.status?.storyboard, this.storyboardLoads)}
        </video>
        ${this.top()} ${centre()}
        <div class="mam-captions" noautohide>${this.captions?.render(false) ?? nothing}</div>
        ${bottom(this.status, { hasSubtitles: this.choices.value.subtitles > 0, hasPicture: !this.isSound })}
        ${menus(this.choices.value, { statistics: () => this.toggleStatistics(), help: () => this.commands.showHelp() })}
        ${this.showsStatistics
          ? statisticsPanel(statistics(this.video, this.engine, this.firstFrame.milliseconds), () => this.toggleStatistics())
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

  private top(): TemplateResult {
    return top({
      title: titleOf(this.path),
      pageUrl: this.embedded ? watchUrl(this.bucket, this.path) : null,
      captions: this.captions?.render(true) ?? nothing,
      notice: this.notice.text,
      message: this.commands.message,
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
