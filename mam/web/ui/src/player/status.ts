/** What is known of a stream, asked again for as long as it is in the making and somebody looks. */
import { type AssetState, call, type Fault, type StreamInfo } from "../shared/api.js";

const SECONDS = 2;
const LATER = 10; // times that pictures are waited for, which may come after the last segment

export interface StreamStatus {
  state: AssetState;
  video: string | null;
  revision: string | null;
  profile: string | null;
  format: string | null;
  duration: number | null; // seconds
  percent: number;
  made: [from: number, to: number][]; // seconds
  streams: StreamInfo[];
  poster: string | null;
  storyboard: string | null;
  signed_until?: number | null; // Unix seconds
  error: Fault | null;
}

/** What is made, as people read it: 100 is what is live. */
export function percentOf({ percent }: StreamStatus): number {
  return Math.min(99, Math.floor(percent));
}

export class StatusWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isOver = false;
  private goesOn = false;
  private later = LATER;
  private readonly seen = () => {
    if (this.goesOn && !document.hidden) void this.look();
  };

  constructor(
    private readonly url: string,
    private readonly told: (status: StreamStatus) => void,
  ) {
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Asks now, and then again while something changes. */
  async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const status = await call<StreamStatus>("GET", this.url);
      if (this.isOver) return;
      this.goesOn = this.mayChange(status);
      this.told(status);
    } catch {
      // the player says what is wrong; this is only what it is decorated with
    }
    clearTimeout(this.timer);
    if (this.goesOn && !this.isOver && !document.hidden) this.timer = setTimeout(() => void this.look(), 1000 * SECONDS);
  }

  private mayChange({ state, storyboard, streams }: StreamStatus): boolean {
    if (state === "making") this.later = LATER;
    const lacks = state === "live" && !storyboard && streams.some(({ kind }) => kind === "video");
    return state === "making" || (lacks && this.later-- > 0);
  }

  stop(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }
}
