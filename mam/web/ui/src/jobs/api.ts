/** Requests to /api/jobs. */
import { call } from "../shared/api.js";
import type { BriefJobList, BriefJobView, Conversion, JobView } from "../shared/types.js";

const PAGE = 50;
const url = (job: BriefJobView) => `/api/jobs/${job.id}`;

export const cancel = (job: BriefJobView) => call<BriefJobView>("DELETE", url(job));
export const retry = (job: BriefJobView) => call<BriefJobView>("POST", `${url(job)}/retry`);
export const setPriority = (job: BriefJobView, priority: string) => call<BriefJobView>("PATCH", url(job), { priority });
export const find = (id: string) => call<JobView>("GET", `/api/jobs/${encodeURIComponent(id)}`);

/** Encodes a file that cannot be copied. The answer has a job, unless the video exists already. */
export function encode(job: BriefJobView): Promise<Conversion> {
  const { asset_bucket, asset_object, format, audio_language, priority } = job;
  const wanted = { asset_bucket, asset_object, profile: "auto", format, audio_language };
  return call("POST", "/api/transcode", { ...wanted, priority, wait: false });
}

/** Jobs by creation time, the newest first. */
export function page(states: readonly string[], cursor: string | null = null, limit = PAGE): Promise<BriefJobList> {
  const query = new URLSearchParams({ limit: String(limit), brief: "true" });
  for (const state of states) query.append("state", state);
  if (cursor) query.set("cursor", cursor);
  return call<BriefJobList>("GET", `/api/jobs?${query}`);
}
