/** Events of jobs and of the fleet: one stream for the whole site. */
import { call, SIGNED_OUT } from "./api.js";
import { session } from "./session.js";
import type { BriefJobView, FleetView, SessionView } from "./types.js";

export interface JobListener {
  /** The current state of a job: first of all active jobs, then of each job that changes or ends. */
  job?(job: BriefJobView): void;
  fleet?(fleet: FleetView): void;
  /** The stream is open, for the first time or again. Jobs that ended in between send no event. */
  opened?(): void;
  /** The stream is closed: the page may be out of date. */
  lost?(): void;
}

const ADDRESS = "/api/events";
const FIRST_WAIT = 1000; // Milliseconds until the stream is opened again. The wait doubles each time.
const LONGEST_WAIT = 15_000;
const LINGER = 2000; // The stream stays open this long without listeners: the next page uses the same one.
const HIDDEN_LINGER = 10_000; // A browser has six connections to a host: hidden tabs must not hold them.

class JobEvents {
  private readonly listeners = new Set<JobListener>();
  private readonly going = new Map<string, BriefJobView>(); // active jobs, for later listeners
  private fleet: FleetView | null = null;
  private source: EventSource | null = null;
  private isOpen = false;
  private wait = FIRST_WAIT;
  private timer = 0;

  constructor() {
    document.addEventListener("visibilitychange", () => this.settle(document.hidden ? HIDDEN_LINGER : 0));
  }

  /** Sends all known jobs and all later events to `listener`. Returns the function that ends it. */
  subscribe(listener: JobListener): () => void {
    this.listeners.add(listener);
    if (this.isOpen) {
      listener.opened?.();
      for (const job of this.going.values()) listener.job?.(job);
      if (this.fleet) listener.fleet?.(this.fleet);
    }
    this.settle(0);
    return () => {
      this.listeners.delete(listener);
      this.settle(LINGER);
    };
  }

  /** Opens or closes the stream as needed, in `later` milliseconds. */
  private settle(later: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const wanted = this.listeners.size > 0 && !document.hidden && session.seesAll;
      if (wanted && !this.source) this.open();
      if (!wanted) this.close();
    }, later);
  }

  private open(): void {
    const source = new EventSource(ADDRESS);
    this.source = source;
    source.addEventListener("open", () => this.opened());
    source.addEventListener("error", () => this.failed(source));
    source.addEventListener("job", (event) => this.changed(JSON.parse((event as MessageEvent<string>).data) as BriefJobView));
    source.addEventListener("fleet", (event) => {
      this.fleet = JSON.parse((event as MessageEvent<string>).data) as FleetView;
      for (const listener of this.listeners) listener.fleet?.(this.fleet);
    });
  }

  private opened(): void {
    this.wait = FIRST_WAIT;
    this.isOpen = true;
    this.going.clear();
    for (const listener of this.listeners) listener.opened?.();
  }

  private changed(job: BriefJobView): void {
    if (hasEnded(job)) this.going.delete(job.id);
    else this.going.set(job.id, job);
    for (const listener of this.listeners) listener.job?.(job);
  }

  private failed(source: EventSource): void {
    if (this.isOpen) for (const listener of this.listeners) listener.lost?.();
    this.isOpen = false;
    if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
    this.close();
    void this.askWhy();
  }

  /** An EventSource gives no reason for a failure: the session may have ended. */
  private async askWhy(): Promise<void> {
    const view = await call<SessionView>("GET", "/session").catch(() => null);
    if (view && !view.signed_in) {
      window.dispatchEvent(new Event(SIGNED_OUT));
      return; // after the next sign-in the pages subscribe again
    }
    this.settle(this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    this.isOpen = false;
  }
}

export function hasEnded(job: BriefJobView): boolean {
  return job.state !== "queued" && job.state !== "running";
}

export const jobEvents = new JobEvents();
