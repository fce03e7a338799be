/** What the player does after a failure: tries again by itself after a while, or waits for the viewer. */
import type { Problem } from "../shared/types.js";
import type { Timers } from "./timers.js";

const RETRY_SECONDS = [3, 5, 10, 20, 30]; // The wait grows with each failure.
const PASSING = ["unreachable", "segment_pending", "too_many_conversions"]; // So does any problem with a Retry-After.
const RELOAD_WAITS_MS = [0, 1000, 3000]; // Before each reload of an outdated playlist: a new one may need a moment.
const RELOADS_MS = 60_000; // The player reloads no more often in this time.

export interface PlaybackFailure {
  problem: Problem;
  retryIn: number | null; // seconds; null: only the viewer tries again
}

export class Retries {
  private failures = 0;
  private reloads: number[] = []; // times, in milliseconds of performance.now()
  private isReloading = false;

  /** `changed` is called with the failure each second while the player waits, `retry` at the end. */
  constructor(
    private readonly timers: Timers,
    private readonly changed: (failure: PlaybackFailure) => void,
    private readonly retry: () => void,
  ) {}

  /** Starts the countdown, if the problem is likely to pass. Returns the failure. */
  failed(problem: Problem, retryAfter: number | null): PlaybackFailure {
    const passes = retryAfter !== null || PASSING.includes(problem.code);
    const seconds = RETRY_SECONDS[Math.min(this.failures, RETRY_SECONDS.length - 1)]!;
    const retryIn = passes ? Math.max(retryAfter ?? 0, seconds) : null;
    this.failures += 1;
    this.stop();
    if (retryIn !== null) this.countDown(problem, retryIn);
    return { problem, retryIn };
  }

  private countDown(problem: Problem, retryIn: number): void {
    this.timers.start("retry", 1000, () => {
      if (retryIn <= 1) return this.retry();
      this.changed({ problem, retryIn: retryIn - 1 });
      this.countDown(problem, retryIn - 1);
    });
  }

  stop(): void {
    this.isReloading = false;
    this.timers.stop("retry");
  }

  /** The video plays: the next failure is the first one again. */
  succeeded(): void {
    this.failures = 0;
  }

  /** Reloads an outdated playlist after a short wait. Returns false when that has not helped: never an endless loop. */
  reload(): boolean {
    if (this.isReloading) return true; // several segments of a playlist fail together
    const now = performance.now();
    this.reloads = this.reloads.filter((at) => now - at < RELOADS_MS);
    const wait = RELOAD_WAITS_MS[this.reloads.length];
    if (wait === undefined) return false;
    this.reloads.push(now);
    this.isReloading = true;
    this.timers.start("retry", wait, () => this.retry());
    return true;
  }
}
