/** How long the viewer waits for the first frame, from the click on. */
import { began } from "./prefetch.js";

export class FirstFrame {
  milliseconds: number | null = null;
  private begun = 0;

  start(): void {
    this.begun = began();
  }

  /** Measures when the video has loaded its first frame, once. */
  loaded(video: HTMLVideoElement): void {
    if (this.milliseconds !== null) return;
    const shown = () => {
      this.milliseconds ??= performance.now() - this.begun;
      performance.measure("mam-first-frame", { start: this.begun, duration: this.milliseconds });
    };
    if ("requestVideoFrameCallback" in video && video.videoWidth > 0) video.requestVideoFrameCallback(shown);
    else shown(); // audio has no frames
  }
}
