/** Why nothing comes yet, as far as it is known: what people are told while they wait. */
import { decimal } from "../shared/format.js";
import { texts } from "../texts/index.js";

/** What is on its way. `needed`, `measured`: bits a second; null while that cannot be told. */
export interface Waiting {
  for: "playlist" | "segment";
  isMade: boolean; // the segment is made for this viewer
  needed: number | null;
  measured: number | null;
}

const words = texts.player.waiting;
const ENOUGH = 1.1; // times what a second of the video has: less than that, and it stops again and again

/** `null`: what plays it is not here yet. */
export function whyNothing(waiting: Waiting | null): string {
  if (!waiting) return words.player;
  if (waiting.for === "playlist") return words.playlist;
  const { needed, measured } = waiting;
  if (measured === null) return waiting.isMade ? words.made : words.stored;
  if (needed === null || measured > ENOUGH * needed) return words.loading;
  return words.slow(decimal(needed / 1e6), decimal(measured / 1e6));
}
