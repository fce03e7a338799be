/** The interface of the engines: hls.js, or the browser's own HLS. */
import type { Problem } from "../shared/types.js";
import type { Waiting } from "./waiting.js";

/** Events of an engine. */
export interface EngineEvents {
  /** `isOutdated`: a segment of the playlist was refused, so there may be a newer playlist. */
  failed(problem: Problem, retryAfter: number | null, isOutdated?: boolean): void;
  lost(isLost: boolean): void; // the connection; the engine retries
  renewed(): void; // expired signatures were renewed
  signed(until: number): void; // Unix seconds
}

/** The shown quality. `place`: from 1, the best; `reason`: who or what decided it. */
export interface Quality {
  place: number;
  count: number;
  reason: "viewer" | "line";
  switches: number; // since the start
}

/** Facts for the statistics. */
export interface Facts {
  engine: string;
  codecs: string;
  bitrate: number | null; // bits per second
  bandwidth: number | null; // bits per second
  origin: "made" | "stored" | null; // of the last segment
  quality: Quality | null;
}

export interface Engine {
  facts(): Facts;
  /** What the engine waits for while nothing plays. */
  waiting(): Waiting;
  destroy(): void;
}
