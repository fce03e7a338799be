/** What pages ask of the service, and what it answers. */
import { texts } from "../texts/index.js";

/** RFC 9457, as every error of the services. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  hint: string;
}

/** An error in the API's own words. `problem.code` is "unreachable" when there was no answer at all. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export type AssetState = "new" | "making" | "live" | "failed";
export type Fault = { code: string; message: string; hint: string };

export interface AssetView {
  bucket: string;
  key: string;
  title: string;
  size: number; // bytes
  modified: number; // Unix seconds
  state: AssetState;
  video: string | null;
  job: string | null;
  duration: number | null; // seconds
  playable: boolean;
  poster: string | null;
  storyboard: string | null;
  error: Fault | null;
  watch: string;
  playlist: string;
}

export interface Folder {
  bucket: string;
  path: string;
  name: string;
  assets: number | null; // null until the bucket was listed
}

export interface AssetPage {
  assets: AssetView[];
  folders: Folder[];
  total: number;
  next_cursor: string | null;
  listed_at: number | null;
  complete: boolean;
}

export interface SessionView {
  signed_in: boolean;
  ends_at: number | null;
  uploads: boolean;
}

/** As lists and events have it. */
export interface BriefJob {
  id: string;
  state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  playable: boolean;
  video: string;
  asset_bucket: string;
  asset_object: string;
  profile: string;
  format: string;
  audio_language: string;
  priority: "high" | "normal" | "low";
  duration_seconds: number | null;
  progress: {
    percent: number;
    segments_done: number;
    segments_total: number | null;
    speed: number | null; // seconds of media made in a second
    eta_seconds: number | null;
    queue_position: number | null;
  };
  attempts: number;
  running: { name: string; worker: string; since: number; attempt: number }[];
  trouble: string | null;
  error: Fault | null;
  replaced_by: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  updated_at: number;
}

/** As it is asked for by its id. */
export interface JobView extends BriefJob {
  streams: StreamInfo[];
  command: string | null;
  said: string[];
}

export interface StreamInfo {
  number: number;
  kind: string;
  codec: string;
  action: string;
  reason: string;
  language?: string;
  [more: string]: unknown;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Fired on `window` when an answer says that nobody is signed in. */
export const SIGNED_OUT = "mam-signed-out";

/** The answer's JSON. Throws ApiError. */
export async function call<T>(method: Method, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers["x-mam-request"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      signal: signal ?? null,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted || !(error instanceof TypeError)) throw error;
    throw new ApiError(unreachable());
  }
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer as T;
  const problem = isProblem(answer) ? answer : { ...unreachable(), status: response.status };
  if (problem.code === "session_expired" || (problem.code === "forbidden" && url !== "/session")) {
    window.dispatchEvent(new CustomEvent(SIGNED_OUT, { detail: problem }));
  }
  throw new ApiError(problem);
}

/** What an error of any kind says to people. Of those that are no ApiError the page itself is to blame. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  const { title, hint } = texts.unexpected;
  return { type: "about:blank", title, status: 0, detail: `${title} ${String(error)}`, code: "unexpected", hint };
}

/** A path with each of its parts quoted, slashes kept. */
export function quotePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** The text of a part of a path. What is no escape in it stands for itself, as it does for the service. */
export function unquote(part: string): string {
  return part.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

export function unreachable(): Problem {
  const [title, hint] = [texts.lostConnection, texts.lostConnectionHint];
  return { type: "about:blank", title, status: 0, detail: title, code: "unreachable", hint };
}

/** null for an empty answer, undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

/** What the browser cannot play, whatever it says of why. */
export function unplayable(detail: string): Problem {
  const { unplayable: title, unplayableHint: hint } = texts.player;
  return { type: "about:blank", title, status: 0, detail, code: "unplayable", hint };
}

export function isProblem(answer: unknown): answer is Problem {
  return typeof answer === "object" && answer !== null && "code" in answer && "hint" in answer;
}
