/** The jobs that the page has loaded, in display order. */
import { hasEnded } from "../shared/events.js";
import { duration } from "../shared/format.js";
import { titleOf } from "../shared/names.js";
import type { BriefJobView, JobState } from "../shared/types.js";
import { texts } from "../texts/index.js";

export const STATES: readonly JobState[] = ["running", "queued", "succeeded", "failed", "cancelled"];

export interface Shown {
  going: BriefJobView[]; // running jobs, the oldest first, then queued jobs in queue order
  ended: BriefJobView[]; // the latest first
}

export class JobStore {
  private readonly jobs = new Map<string, BriefJobView>();

  get size(): number {
    return this.jobs.size;
  }

  get(id: string): BriefJobView | undefined {
    return this.jobs.get(id);
  }

  /** Answers and events may arrive out of order: a job that is older than the stored one is ignored. */
  put(job: BriefJobView): void {
    const known = this.jobs.get(job.id);
    if (!known || known.updated_at <= job.updated_at) this.jobs.set(job.id, job);
  }

  forget(id: string): void {
    this.jobs.delete(id);
  }

  /** Active jobs, except `ids`. */
  goingBut(ids: ReadonlySet<string>): BriefJobView[] {
    return [...this.jobs.values()].filter((job) => !hasEnded(job) && !ids.has(job.id));
  }

  /** Keeps the latest `most` ended jobs of each state, and the job `open`. Returns whether there were more. */
  trim(most: number, open: string): boolean {
    const ended = [...this.jobs.values()].filter(hasEnded).sort(byEnd);
    const count = new Map<JobState, number>();
    const old = ended.filter(({ state }) => {
      count.set(state, (count.get(state) ?? 0) + 1);
      return count.get(state)! > most;
    });
    for (const { id } of old) if (id !== open) this.jobs.delete(id);
    return old.length > 0;
  }

  going(): number {
    return [...this.jobs.values()].filter((job) => !hasEnded(job)).length;
  }

  /** Jobs in a state (null: all states) whose names contain all words of `search`. */
  shown(state: JobState | null, search: string): Shown {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.jobs.values()].filter((job) => (!state || job.state === state) && matches(job, words));
    return {
      going: found.filter((job) => !hasEnded(job)).sort(byTurn),
      ended: found.filter(hasEnded).sort(byEnd),
    };
  }
}

function matches(job: BriefJobView, words: string[]): boolean {
  const names = `${job.asset_bucket}/${job.asset_object} ${job.id}`.toLowerCase();
  return words.every((word) => names.includes(word));
}

function byTurn(a: BriefJobView, b: BriefJobView): number {
  if (a.state !== b.state) return a.state === "running" ? -1 : 1;
  if (a.state === "running") return beginOf(a) - beginOf(b) || (a.id < b.id ? -1 : 1);
  const turn = (job: BriefJobView) => job.progress.queue_position ?? Infinity;
  return (turn(a) === turn(b) ? 0 : turn(a) - turn(b)) || a.created_at - b.created_at || (a.id < b.id ? -1 : 1);
}

function byEnd(a: BriefJobView, b: BriefJobView): number {
  return endOf(b) - endOf(a) || (a.id < b.id ? -1 : 1);
}

const beginOf = (job: BriefJobView) => job.started_at ?? job.created_at;
const endOf = (job: BriefJobView) => job.finished_at ?? job.updated_at;

/** `seconds` of work, as text. */
export function took(seconds: number): string {
  return seconds < 1 ? texts.jobsPage.moment : duration(seconds);
}

/** A job's title is its file's. */
export function nameOf(job: BriefJobView): string {
  return titleOf(job.asset_object) || job.video || job.id;
}

/** Bucket and folder, as text. */
export function folderOf(job: BriefJobView): string {
  return [job.asset_bucket, ...job.asset_object.split("/").slice(0, -1)].filter(Boolean).join(" / ");
}
