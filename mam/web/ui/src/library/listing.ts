/** The rows that were loaded so far, kept true while things happen. */
import { call, problemOf, quotePath } from "../shared/api.js";
import { hasEnded } from "../shared/events.js";
import type { AssetList, AssetView, BriefJobView, FolderView, Problem } from "../shared/types.js";
import { addressOf, parameters, type Query } from "./query.js";

/** An asset and the job that is under way for it. Replaced when something about it changes, never changed. */
export interface Row {
  readonly id: string;
  readonly asset: AssetView;
  readonly job: BriefJobView | null;
}

export const PAGE = 60; // divisible by every number of columns that there may be
const REFRESHED = 200; // rows that are asked for at once when those shown are looked at again; the service's limit
const MOST_REFRESHED = 1000; // rows: those below are read again when one gets there
const UNFINISHED_WAIT = 2000; // milliseconds between looks while the buckets are still being listed
const RETRY_WAIT = 5000; // milliseconds after a failure that may pass
const KEPT = 8; // listings that are there at once when one goes back

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
  isLoading = true; // what is shown, if anything, belongs to an earlier question
  isLoadingMore = false;
  private query: Query | null = null;
  private asking = new AbortController();
  private refreshing: Promise<void> | null = null;
  private timer = 0;
  private readonly jobs = new Map<string, BriefJobView>(); // under way, by asset

  /** `changed` is called after each change. */
  constructor(private readonly changed: () => void) {}

  get rows(): readonly Row[] {
    return this.found.rows;
  }

  get hasMore(): boolean {
    return this.found.cursor !== null;
  }

  /** Shows what a query finds: at once what it found before, if it was asked lately, then what it finds now. */
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

  /** The next page. After a failure not before what is shown was read again: the page asks each time it is drawn. */
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

  /** Reads again what is shown, without anything moving that did not change. */
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
      const below = isAll ? [] : this.rows.slice(fresh.rows.length); // positions stay good: so does the cursor
      const cursor = isAll ? page.next_cursor : this.found.cursor;
      this.take({ ...fresh, rows: unique([...fresh.rows, ...below]), cursor });
    });
  }

  /** Reads one asset again. */
  async reread(bucket: string, key: string): Promise<void> {
    const asset = await call<AssetView>("GET", `/assets/${bucket}/${quotePath(key)}`);
    this.replace(asset);
  }

  /** What is known of an asset by now. */
  replace(asset: AssetView): void {
    this.update(idOf(asset), () => this.row(asset));
  }

  /** A job has begun, got on or ended. Gives the row of its asset, if there is one. */
  told(job: BriefJobView): Row | null {
    const id = `${job.asset_bucket}/${job.asset_object}`;
    if (hasEnded(job)) {
      if (this.jobs.get(id)?.id === job.id) this.jobs.delete(id);
    } else this.jobs.set(id, job);
    return this.update(id, ({ asset }) => this.row(asset));
  }

  /** Nobody knows of jobs: those that go on are told anew. */
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
      if (signal.aborted) return; // outrun by another question
      this.problem = problemOf(error);
      if (this.isLoading) this.found = NOTHING; // what is shown answers another question
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

/** A row that moved on between two pages would be on both. */
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
