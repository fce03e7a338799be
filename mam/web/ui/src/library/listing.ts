/** The loaded rows of the library, updated while videos and jobs change. */
import { call, problemOf, quotePath } from "../shared/api.js";
import { hasEnded } from "../shared/events.js";
import type { AssetList, AssetView, BriefJobView, FolderView, Problem } from "../shared/types.js";
import { addressOf, parameters, type Query } from "./query.js";

/** An asset and its active job. A change replaces the row; rows are immutable. */
export interface Row {
  readonly id: string;
  readonly asset: AssetView;
  readonly job: BriefJobView | null;
}

export const PAGE = 60; // Divisible by every possible number of columns.
const REFRESHED = 200; // Rows per request of a refresh: the service's limit.
const MOST_REFRESHED = 1000; // A refresh loads this many rows at most.
const UNFINISHED_WAIT = 2000; // Milliseconds between refreshes while the buckets are being listed.
const RETRY_WAIT = 5000; // Milliseconds until the next try after a temporary failure.
const KEPT = 8; // Listings that are kept for the way back.

interface Found {
  rows: Row[];
  folders: FolderView[];
  total: number;
  cursor: string | null;
  isComplete: boolean;
}

const NOTHING: Found = { rows: [], folders: [], total: 0, cursor: null, isComplete: true };
const kept = new Map<string, Found>();

export class Listing {
  found: Found = NOTHING;
  problem: Problem | null = null;
  isLoading = true; // the rows, if any, belong to an earlier query
  isLoadingMore = false;
  private query: Query | null = null;
  private asking = new AbortController();
  private refreshing: Promise<void> | null = null;
  private timer = 0;
  private readonly jobs = new Map<string, BriefJobView>(); // active jobs, by asset

  /** `changed` is called after each change. */
  constructor(private readonly changed: () => void) {}

  get rows(): readonly Row[] {
    return this.found.rows;
  }

  get hasMore(): boolean {
    return this.found.cursor !== null;
  }

  /** Shows the result of a query: a recent result at once, then the current one. */
  async show(query: Query): Promise<void> {
    this.stop();
    this.query = query;
    this.asking = new AbortController();
    const before = kept.get(keyOf(query));
    if (before) this.take({ ...before, rows: before.rows.map((row) => this.row(row.asset)) });
    if (before) return this.refresh();
    this.isLoading = true;
    this.changed();
    await this.attempt(async (signal) => {
      const page = await this.ask({ limit: String(PAGE) }, signal);
      this.take({ ...this.read(page), cursor: page.next_cursor });
    });
  }

  stop(): void {
    clearTimeout(this.timer);
    this.asking.abort();
    this.refreshing = null;
    this.isLoadingMore = false;
  }

  /** Loads the next page. After a failure it waits for a refresh, because the page asks at each render. */
  async more(): Promise<void> {
    if (!this.hasMore || this.isLoadingMore || this.isLoading || this.problem) return;
    this.isLoadingMore = true;
    const { signal } = this.asking;
    await this.refreshing;
    if (signal.aborted) return;
    await this.attempt(async (signal) => {
      const page = await this.ask({ limit: String(PAGE), cursor: this.found.cursor ?? "" }, signal);
      const { rows } = this.read(page);
      this.isLoadingMore = false;
      this.take({ ...this.found, rows: unique([...this.found.rows, ...rows]), total: page.total, cursor: page.next_cursor });
    });
    this.isLoadingMore = false;
  }

  /** Loads the shown rows again. Unchanged rows stay in place. */
  refresh(): Promise<void> {
    if (this.isLoadingMore) return Promise.resolve();
    this.refreshing ??= this.readAgain().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  private async readAgain(): Promise<void> {
    await this.attempt(async (signal) => {
      const wanted = Math.min(Math.max(this.rows.length, PAGE), MOST_REFRESHED);
      let page = await this.ask({ limit: String(Math.min(wanted, REFRESHED)) }, signal);
      const fresh = this.read(page);
      while (page.next_cursor && fresh.rows.length < wanted) {
        page = await this.ask({ limit: String(REFRESHED), cursor: page.next_cursor }, signal);
        fresh.rows.push(...this.read(page).rows);
      }
      const isAll = page.next_cursor === null || this.rows.length <= fresh.rows.length;
      const below = isAll ? [] : this.rows.slice(fresh.rows.length); // their positions are unchanged, so the cursor is still valid
      const cursor = isAll ? page.next_cursor : this.found.cursor;
      this.take({ ...fresh, rows: unique([...fresh.rows, ...below]), cursor });
    });
  }

  /** Loads one asset again. */
  async reread(bucket: string, key: string): Promise<void> {
    const asset = await call<AssetView>("GET", `/assets/${bucket}/${quotePath(key)}`);
    this.replace(asset);
  }

  /** Takes over the current state of an asset. */
  replace(asset: AssetView): void {
    this.update(idOf(asset), () => this.row(asset));
  }

  /** Takes over the state of a job. Returns the row of its asset, if it has one. */
  jobChanged(job: BriefJobView): Row | null {
    const id = `${job.asset_bucket}/${job.asset_object}`;
    if (hasEnded(job)) {
      if (this.jobs.get(id)?.id === job.id) this.jobs.delete(id);
    } else this.jobs.set(id, job);
    return this.update(id, ({ asset }) => this.row(asset));
  }

  /** Forgets all jobs: the stream of events sends the active ones again. */
  forgetJobs(): void {
    this.jobs.clear();
  }

  private update(id: string, change: (row: Row) => Row): Row | null {
    const index = this.rows.findIndex((row) => row.id === id);
    if (index < 0) return null;
    const rows = [...this.rows];
    rows[index] = change(rows[index]!);
    this.found = { ...this.found, rows };
    if (this.query && !this.isLoading) keep(this.query, this.found);
    this.changed();
    return rows[index]!;
  }

  private row(asset: AssetView): Row {
    const id = idOf(asset);
    return { id, asset, job: this.jobs.get(id) ?? null };
  }

  private read(page: AssetList): Found {
    const before = new Map(this.rows.map((row) => [row.id, row]));
    const rows = page.assets.map((asset) => {
      const [row, old] = [this.row(asset), before.get(idOf(asset))];
      return old && JSON.stringify(old) === JSON.stringify(row) ? old : row;
    });
    return { rows, folders: page.folders, total: page.total, cursor: page.next_cursor, isComplete: page.complete };
  }

  private ask(more: Record<string, string>, signal: AbortSignal): Promise<AssetList> {
    return call<AssetList>("GET", `/assets?${parameters(this.query!, more)}`, undefined, signal);
  }

  private async attempt(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.asking;
    try {
      await work(signal);
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return; // a newer query replaced this one
      this.problem = problemOf(error);
      if (this.isLoading) this.found = NOTHING; // the rows belong to another query
      this.lookAgain(RETRY_WAIT, this.problem.status === 0 || this.problem.status >= 500);
    }
    this.isLoading = false;
    this.changed();
  }

  private take(found: Found): void {
    this.found = found;
    this.isLoading = false;
    if (this.query) keep(this.query, found);
    this.lookAgain(UNFINISHED_WAIT, !found.isComplete);
    this.changed();
  }

  private lookAgain(wait: number, isNeeded: boolean): void {
    clearTimeout(this.timer);
    if (isNeeded) this.timer = window.setTimeout(() => void this.refresh(), wait);
  }
}

export function idOf(asset: Pick<AssetView, "bucket" | "key">): string {
  return `${asset.bucket}/${asset.key}`;
}

/** A row that moved between two requests would be on both pages. */
function unique(rows: Row[]): Row[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}

function keyOf(query: Query): string {
  return addressOf({ ...query, view: null });
}

function keep(query: Query, found: Found): void {
  const key = keyOf(query);
  kept.delete(key);
  kept.set(key, found);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
}
