/** What plays: hls.js, or the browser by itself. */
import type { Problem } from "../shared/api.js";

/** What an engine tells while it plays. */
export interface Told {
  failed(problem: Problem, retryAfter: number | null): void;
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
  destroy(): void;
}
