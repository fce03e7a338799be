/** Loads jobs into the store, page by page, and reconciles it with the service after missed events. */
import { problemOf } from "../shared/api.js";
import type { FleetView, Problem, JobState } from "../shared/types.js";
import * as jobsApi from "./api.js";
import type { JobStore } from "./store.js";

const RETRY_WAIT = 5000; // Milliseconds between a failed request for the list and the next one.
const PAGE_LIMIT = 500; // The service returns this many jobs at most.
const ENDED_STEP = 100; // Ended jobs are shown in steps of this size.
const ENDED_KEPT = 300; // Without "Show older jobs", the store keeps this many ended jobs of each state.
const LOOKUPS = 50; // Missed ends are looked up for this many jobs at a time.

export class JobLoader {
  problem: Problem | null = null; // why the list could not be loaded
  isLoaded = false;
  mostEnded = ENDED_STEP; // how many ended jobs are shown
  cursor: string | null = null; // of the next page
  private state: JobState | null = null;
  private isTrimmed = false; // The store dropped ended jobs: the cursor is past them.
  private wasUneven = false;
  private isStopped = false;
  private retrying = 0;

  /** `changed` is called after each answer to a request for the list. */
  constructor(
    private readonly store: JobStore,
    private readonly changed: () => void,
  ) {}

  /** Loads the first page of jobs in a state (null: all states). */
  show(state: JobState | null): Promise<void> {
    this.isStopped = false;
    this.state = state;
    this.mostEnded = ENDED_STEP;
    return this.load();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.retrying);
  }

  private async load(cursor: string | null = null, limit?: number): Promise<void> {
    const { state } = this;
    clearTimeout(this.retrying);
    try {
      const page = await jobsApi.page(state ? [state] : [], cursor, limit);
      for (const job of page.jobs) this.store.put(job);
      if (state !== this.state) return;
      this.cursor = page.next_cursor;
      this.isLoaded = true;
      this.problem = null;
    } catch (error) {
      this.problem = problemOf(error);
      if (!this.isStopped) this.retrying = window.setTimeout(() => void this.load(cursor, limit), RETRY_WAIT);
    }
    this.changed();
  }

  /** Shows more ended jobs. `known`: how many of them are in the store. */
  showOlder(known: number): void {
    this.mostEnded += ENDED_STEP;
    if (this.isTrimmed && this.mostEnded > ENDED_KEPT) {
      this.isTrimmed = false;
      void this.load(null, PAGE_LIMIT);
    } else if (known < this.mostEnded && this.cursor) void this.load(this.cursor);
    this.changed();
  }

  /** Keeps the store small, except for the job `open`. */
  trim(open: string): void {
    if (this.store.trim(Math.max(ENDED_KEPT, this.mostEnded + ENDED_STEP), open)) this.isTrimmed = true;
  }

  /** Loads the list again and reconciles: events may have been missed while the stream was closed. */
  async reload(): Promise<void> {
    await this.load();
    await this.reconcile();
  }

  /** Compares the store with the fleet's counts. A difference that lasts for two checks is reconciled. */
  async check(fleet: FleetView | null, isLost: boolean): Promise<void> {
    const counts = Object.values(fleet?.jobs ?? {});
    const isUneven = counts.length > 0 && counts.reduce((sum, count) => sum + count, 0) !== this.store.going();
    const lasts = isUneven && this.wasUneven;
    this.wasUneven = isUneven;
    if (lasts && !isLost) await this.reconcile();
  }

  /** Looks up jobs that are active in the store only: they ended or expired without an event. */
  private async reconcile(): Promise<void> {
    const page = await jobsApi.page(["queued", "running"], null, PAGE_LIMIT).catch(() => null);
    if (!page) return;
    for (const job of page.jobs) this.store.put(job);
    if (page.next_cursor !== null) return;
    const gone = this.store.goingBut(new Set(page.jobs.map(({ id }) => id))).slice(0, LOOKUPS);
    await Promise.all(gone.map(({ id }) => this.lookUp(id)));
  }

  private async lookUp(id: string): Promise<void> {
    try {
      this.store.put(await jobsApi.find(id));
    } catch (error) {
      if (problemOf(error).status === 404) this.store.forget(id);
    }
  }
}
