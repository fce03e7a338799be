/** What the player takes over from a video once its metadata has loaded. */
import { chosen } from "./choices.js";

const LAST_SECONDS = 3; // If a start time lies after the end, this much of the end is played.

/** Sets the chosen speed, and corrects a start time after the end (from the address, or saved for a longer video). */
export function prepare(video: HTMLVideoElement, startAt: number | null): void {
  if (startAt !== null && startAt >= video.duration) video.currentTime = Math.max(0, video.duration - LAST_SECONDS);
  video.playbackRate = video.defaultPlaybackRate = chosen().speed ?? 1;
}

/** Gives the player the proportions of the video: a portrait video gets a portrait player. */
export function fit(player: HTMLElement, { videoWidth: width, videoHeight: height }: HTMLVideoElement): void {
  player.toggleAttribute("upright", height > width);
  if (width) player.style.setProperty("--ratio", String(width / height));
}
