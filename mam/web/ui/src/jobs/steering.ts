/** What people do with jobs. */
import { call, type JobView } from "../shared/api.js";

export interface JobPage {
  jobs: JobView[];
  next_cursor: string | null;
}

const PAGE = 50;
const url = (job: JobView) => `/api/jobs/${job.id}`;

export const cancel = (job: JobView) => call<JobView>("DELETE", url(job));
export const retry = (job: JobView) => call<JobView>("POST", `${url(job)}/retry`);
export const setPriority = (job: JobView, priority: string) => call<JobView>("PATCH", url(job), { priority });
export const find = (id: string) => call<JobView>("GET", `/api/jobs/${encodeURIComponent(id)}`);

/** Has a file that cannot be copied encoded: the job that does it, or the name of the video that is there already. */
export function encode(job: JobView): Promise<{ video: string; job?: string }> {
  const { asset_bucket, asset_object, format, audio_language, priority } = job;
  const wanted = { asset_bucket, asset_object, profile: "auto", format, audio_language };
  return call("POST", "/api/transcode", { ...wanted, priority, wait: false });
}

/** Jobs by the moment of their creation, the newest first. */
export function page(states: readonly string[], cursor: string | null = null, limit = PAGE): Promise<JobPage> {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const state of states) query.append("state", state);
  if (cursor) query.set("cursor", cursor);
  return call<JobPage>("GET", `/api/jobs?${query}`);
}
