/** What people do with jobs. */
import { type BriefJob, call, type JobView } from "../shared/api.js";

export interface JobPage {
  jobs: BriefJob[];
  next_cursor: string | null;
}

const PAGE = 50;
const url = (job: BriefJob) => `/api/jobs/${job.id}`;

export const cancel = (job: BriefJob) => call<BriefJob>("DELETE", url(job));
export const retry = (job: BriefJob) => call<BriefJob>("POST", `${url(job)}/retry`);
export const setPriority = (job: BriefJob, priority: string) => call<BriefJob>("PATCH", url(job), { priority });
export const find = (id: string) => call<JobView>("GET", `/api/jobs/${encodeURIComponent(id)}`);

/** Has a file that cannot be copied encoded: the job that does it, or the name of the video that is there already. */
export function encode(job: BriefJob): Promise<{ video: string; job?: string }> {
  const { asset_bucket, asset_object, format, audio_language, priority } = job;
  const wanted = { asset_bucket, asset_object, profile: "auto", format, audio_language };
  return call("POST", "/api/transcode", { ...wanted, priority, wait: false });
}

/** Jobs by the moment of their creation, the newest first. */
export function page(states: readonly string[], cursor: string | null = null, limit = PAGE): Promise<JobPage> {
  const query = new URLSearchParams({ limit: String(limit), brief: "true" });
  for (const state of states) query.append("state", state);
  if (cursor) query.set("cursor", cursor);
  return call<JobPage>("GET", `/api/jobs?${query}`);
}
