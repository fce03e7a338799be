/** The status of a stream, polled while it is converted and the page is visible. */
import { call } from "../shared/api.js";
import type { StatusView } from "../shared/types.js";

const SECONDS = 2;
const LATER = 10; // Requests for the poster and storyboard, which may follow the last segment.

/** Progress as text: only a live stream has 100 %. */
export function percentOf({ percent }: StatusView): number {
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
    private readonly changed: (status: StatusView) => void,
  ) {
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Requests the status now, and again while it may change. */
  async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const status = await call<StatusView>("GET", this.url);
      if (this.isOver) return;
      this.goesOn = this.mayChange(status);
      this.changed(status);
    } catch {
      // the player shows its own failures; the status is only an addition
    }
    clearTimeout(this.timer);
    if (this.goesOn && !this.isOver && !document.hidden) this.timer = setTimeout(() => void this.look(), 1000 * SECONDS);
  }

  private mayChange({ state, storyboard, streams, renditions }: StatusView): boolean {
    const isMaking = state === "making" || renditions.some((rendition) => rendition.state === "making");
    if (isMaking) this.later = LATER;
    const lacks = state === "live" && !storyboard && streams.some(({ kind }) => kind === "video");
    return isMaking || (lacks && this.later-- > 0);
  }

  stop(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }
}
