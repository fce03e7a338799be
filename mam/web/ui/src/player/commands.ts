/** What keys do: media-chrome gets the request, and the player shows a short message. */
import { texts } from "../texts/index.js";
import type { Playing } from "./keys.js";

/** The player, as its commands need it. */
interface Stage {
  video: HTMLVideoElement;
  querySelector: HTMLElement["querySelector"];
  showMessage(text: string): void;
  toggleStatistics(): void;
}

const words = texts.player;
const VOLUME_STEPS = 20; // The volume is rounded to a twentieth.
const [SLOWEST, FASTEST] = [0.25, 2];

export class Commands implements Playing {
  constructor(private readonly stage: Stage) {}

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
    this.stage.showMessage(words.said.seek(seconds));
  }

  togglePlay(): void {
    const { paused } = this.video;
    this.stage.showMessage(paused ? words.said.play : words.said.pause);
    this.request(paused ? "mediaplayrequest" : "mediapauserequest");
  }

  changeVolume(by: number): void {
    const volume = Math.round(VOLUME_STEPS * Math.max(0, Math.min(1, this.video.volume + by))) / VOLUME_STEPS;
    this.request("mediavolumerequest", volume);
    if (volume && this.video.muted) this.request("mediaunmuterequest");
    this.stage.showMessage(words.said.volume(Math.round(100 * volume)));
  }

  toggleMuted(): void {
    const { muted } = this.video;
    this.stage.showMessage(muted ? words.said.unmuted : words.said.muted);
    this.request(muted ? "mediaunmuterequest" : "mediamuterequest");
  }

  changeSpeed(by: number): void {
    const rate = Math.max(SLOWEST, Math.min(FASTEST, this.video.playbackRate + by));
    this.request("mediaplaybackraterequest", rate);
    this.stage.showMessage(words.said.speed(String(rate)));
  }

  toggleStatistics(): void {
    this.stage.toggleStatistics();
  }

  showHelp(): void {
    this.stage.querySelector<HTMLDialogElement>(".mam-help")?.showModal();
  }
}
