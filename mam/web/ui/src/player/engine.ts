/** What plays: hls.js, or the browser by itself. */
import type { Problem } from "../shared/types.js";
import type { Waiting } from "./waiting.js";

/** What an engine tells while it plays. */
export interface Told {
  /** `isOutdated`: a segment was refused that the playlist names: there is another playlist by now, or a reason. */
  failed(problem: Problem, retryAfter: number | null, isOutdated?: boolean): void;
  lost(isLost: boolean): void; // the connection; it is tried again meanwhile
  renewed(): void; // signatures had ended
  signed(until: number): void; // Unix seconds
}

/** What is known of what is played. */
export interface Facts {
  engine: string;
  codecs: string;
  bitrate: number | null; // bits a second
  bandwidth: number | null; // bits a second
  origin: "made" | "stored" | null; // of the last segment
}

export interface Engine {
  facts(): Facts;
  /** What is on its way while nothing plays. */
  waiting(): Waiting;
  destroy(): void;
}
