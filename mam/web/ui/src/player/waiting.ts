/** The reason for a wait, as text for the viewer. */
import { decimal } from "../shared/format.js";
import { texts } from "../texts/index.js";

/** What the player waits for. `needed`, `measured`: bits per second; null if unknown. */
export interface Waiting {
  for: "playlist" | "segment";
  isMade: boolean; // the segment is converted on demand
  needed: number | null;
  measured: number | null;
}

const words = texts.player.waiting;
const ENOUGH = 1.1; // Below this multiple of the video's bitrate, playback stops again and again.

/** `null`: the player's modules are still loading. */
export function whyNothing(waiting: Waiting | null): string {
  if (!waiting) return words.player;
  if (waiting.for === "playlist") return words.playlist;
  const { needed, measured } = waiting;
  if (measured === null) return waiting.isMade ? words.made : words.stored;
  if (needed === null || measured > ENOUGH * needed) return words.loading;
  return words.slow(decimal(needed / 1e6), decimal(measured / 1e6));
}
