/** What happens to jobs and to the fleet, as it happens: one stream of events for the whole site. */
import { call, SIGNED_OUT } from "./api.js";
import type { BriefJobView, FleetView, SessionView } from "./types.js";

export interface JobListener {
  /** A job as it is now. At first all that have not ended, then each that changes, the end of one included. */
  job?(job: BriefJobView): void;
  fleet?(fleet: FleetView): void;
  /** The stream stands, for the first time or again. What ended while it did not is not told: look for yourself. */
  opened?(): void;
  /** It does not: what is shown may be old. */
  lost?(): void;
}

const ADDRESS = "/api/events";
const FIRST_WAIT = 1000; // milliseconds until it is asked for again; doubled each time
const LONGEST_WAIT = 15_000;
const LINGER = 2000; // for whoever comes next: moving from page to page opens nothing anew
const HIDDEN_LINGER = 10_000; // a browser has six connections to a host: tabs that nobody sees must not hold them

class JobEvents {
  private readonly listeners = new Set<JobListener>();
  private readonly going = new Map<string, BriefJobView>(); // for listeners that come later
  private fleet: FleetView | null = null;
  private source: EventSource | null = null;
  private isOpen = false;
  private wait = FIRST_WAIT;
  private timer = 0;

  constructor() {
    document.addEventListener("visibilitychange", () => this.settle(document.hidden ? HIDDEN_LINGER : 0));
  }

  /** Tells `listener` of everything from now on, beginning with what is known. Returns how to stop it. */
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

  /** Opens or closes the stream, whichever is due, `later` milliseconds from now. */
  private settle(later: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const wanted = this.listeners.size > 0 && !document.hidden;
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
    if (source.readyState !== EventSource.CLOSED) return; // the browser asks again by itself
    this.close();
    void this.askWhy();
  }

  /** The answer was no stream, and an EventSource does not say why: perhaps the session has ended. */
  private async askWhy(): Promise<void> {
    const view = await call<SessionView>("GET", "/session").catch(() => null);
    if (view && !view.signed_in) {
      window.dispatchEvent(new Event(SIGNED_OUT));
      return; // whoever signs in again opens pages, which subscribe
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
