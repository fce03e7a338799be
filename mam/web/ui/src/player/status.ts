/** What is known of a stream, asked again for as long as it is in the making and somebody looks. */
import { call } from "../shared/api.js";
import type { StatusView } from "../shared/types.js";

const SECONDS = 2;
const LATER = 10; // times that pictures are waited for, which may come after the last segment

/** What is made, as people read it: 100 is what is live. */
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
    private readonly told: (status: StatusView) => void,
  ) {
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Asks now, and then again while something changes. */
  async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const status = await call<StatusView>("GET", this.url);
      if (this.isOver) return;
      this.goesOn = this.mayChange(status);
      this.told(status);
    } catch {
      // the player says what is wrong; this is only what it is decorated with
    }
    clearTimeout(this.timer);
    if (this.goesOn && !this.isOver && !document.hidden) this.timer = setTimeout(() => void this.look(), 1000 * SECONDS);
  }

  private mayChange({ state, storyboard, streams }: StatusView): boolean {
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
