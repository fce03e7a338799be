/** What keys do: media-chrome gets the request, and the player shows a short message. */
import { texts } from "../texts/index.js";
import type { PlayerActions } from "./keys.js";
import type { Timers } from "./timers.js";

/** The player, as its commands need it. */
interface Stage {
  video: HTMLVideoElement;
  querySelector: HTMLElement["querySelector"];
  requestUpdate(): void;
  toggleStatistics(): void;
}

const words = texts.player;
const MESSAGE_MS = 900; // A message is shown this long.
const VOLUME_STEPS = 20; // The volume is rounded to a twentieth.
const [SLOWEST, FASTEST] = [0.25, 2];

export class Commands implements PlayerActions {
  message = ""; // shown for a moment

  constructor(
    private readonly stage: Stage,
    private readonly timers: Timers,
  ) {}

  get video(): HTMLVideoElement {
    return this.stage.video;
  }

  request(name: string, detail?: unknown): void {
    const screen = this.stage.querySelector("media-controller");
    screen?.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  seekTo(seconds: number): void {
    if (!Number.isFinite(seconds)) return;
    this.video.currentTime = Math.max(0, Math.min(seconds, this.video.duration || seconds));
    this.request("mediauseractive");
  }

  seekBy(seconds: number): void {
    this.seekTo(this.video.currentTime + seconds);
    this.show(words.said.seek(seconds));
  }

  togglePlay(): void {
    const { paused } = this.video;
    this.show(paused ? words.said.play : words.said.pause);
    this.request(paused ? "mediaplayrequest" : "mediapauserequest");
  }

  changeVolume(by: number): void {
    const volume = Math.round(VOLUME_STEPS * Math.max(0, Math.min(1, this.video.volume + by))) / VOLUME_STEPS;
    this.request("mediavolumerequest", volume);
    if (volume && this.video.muted) this.request("mediaunmuterequest");
    this.show(words.said.volume(Math.round(100 * volume)));
  }

  toggleMuted(): void {
    const { muted } = this.video;
    this.show(muted ? words.said.unmuted : words.said.muted);
    this.request(muted ? "mediaunmuterequest" : "mediamuterequest");
  }

  changeSpeed(by: number): void {
    const rate = Math.max(SLOWEST, Math.min(FASTEST, this.video.playbackRate + by));
    this.request("mediaplaybackraterequest", rate);
    this.show(words.said.speed(String(rate)));
  }

  toggleStatistics(): void {
    this.stage.toggleStatistics();
  }

  showHelp(): void {
    this.stage.querySelector<HTMLDialogElement>(".mam-help")?.showModal();
  }

  private show(message: string): void {
    this.message = message;
    this.stage.requestUpdate();
    if (message) this.timers.start("message", MESSAGE_MS, () => this.show(""));
  }
}
