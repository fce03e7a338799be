/** The jobs that a page knows, in the order in which people look for them. */
import type { BriefJob } from "../shared/api.js";
import { hasEnded } from "../shared/events.js";
import { duration } from "../shared/format.js";
import { titleOf } from "../shared/names.js";
import { texts } from "../texts/index.js";

export type State = BriefJob["state"];
export const STATES: readonly State[] = ["running", "queued", "succeeded", "failed", "cancelled"];

export interface Shown {
  going: BriefJob[]; // running ones, the eldest first, then those that wait, in their order
  ended: BriefJob[]; // the last one first
}

export class Board {
  private readonly jobs = new Map<string, BriefJob>();

  get size(): number {
    return this.jobs.size;
  }

  get(id: string): BriefJob | undefined {
    return this.jobs.get(id);
  }

  /** Answers and events overtake each other: what is older than what is known is not taken. */
  put(job: BriefJob): void {
    const known = this.jobs.get(job.id);
    if (!known || known.updated_at <= job.updated_at) this.jobs.set(job.id, job);
  }

  forget(id: string): void {
    this.jobs.delete(id);
  }

  /** Those that have not ended, except `ids`. */
  goingBut(ids: ReadonlySet<string>): BriefJob[] {
    return [...this.jobs.values()].filter((job) => !hasEnded(job) && !ids.has(job.id));
  }

  /** Keeps the last `most` of each way to end, and the job `open`. Whether there were more. */
  trim(most: number, open: string): boolean {
    const ended = [...this.jobs.values()].filter(hasEnded).sort(byEnd);
    const count = new Map<State, number>();
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

  /** Those in a state (null: in any) with all words of `search` somewhere in their names. */
  shown(state: State | null, search: string): Shown {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.jobs.values()].filter((job) => (!state || job.state === state) && matches(job, words));
    return {
      going: found.filter((job) => !hasEnded(job)).sort(byTurn),
      ended: found.filter(hasEnded).sort(byEnd),
    };
  }
}

function matches(job: BriefJob, words: string[]): boolean {
  const names = `${job.asset_bucket}/${job.asset_object} ${job.id}`.toLowerCase();
  return words.every((word) => names.includes(word));
}

function byTurn(a: BriefJob, b: BriefJob): number {
  if (a.state !== b.state) return a.state === "running" ? -1 : 1;
  if (a.state === "running") return beginOf(a) - beginOf(b) || (a.id < b.id ? -1 : 1);
  const turn = (job: BriefJob) => job.progress.queue_position ?? Infinity;
  return (turn(a) === turn(b) ? 0 : turn(a) - turn(b)) || a.created_at - b.created_at || (a.id < b.id ? -1 : 1);
}

function byEnd(a: BriefJob, b: BriefJob): number {
  return endOf(b) - endOf(a) || (a.id < b.id ? -1 : 1);
}

const beginOf = (job: BriefJob) => job.started_at ?? job.created_at;
const endOf = (job: BriefJob) => job.finished_at ?? job.updated_at;

/** `seconds` of work, as people say it. */
export function took(seconds: number): string {
  return seconds < 1 ? texts.jobsPage.moment : duration(seconds);
}

/** What a job is called: as its file. */
export function nameOf(job: BriefJob): string {
  return titleOf(job.asset_object) || job.video || job.id;
}

/** Bucket and folder, as a person reads them. */
export function folderOf(job: BriefJob): string {
  return [job.asset_bucket, ...job.asset_object.split("/").slice(0, -1)].filter(Boolean).join(" / ");
}
