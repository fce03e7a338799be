/** Playlists, asked for before the player that wants them is there: a click begins it all at once. */
import { ApiError, isProblem, type Problem, unreachable } from "../shared/api.js";

const KEPT_MS = 10_000; // that what was asked for ahead is waited for by somebody

export interface Playlist {
  url: string;
  text: string;
}

/** An error of the service in its own words. `retryAfter`: seconds, where it names them. */
export class PlaylistError extends ApiError {
  constructor(
    problem: Problem,
    readonly retryAfter: number | null,
  ) {
    super(problem);
  }
}

const ahead = new Map<string, { at: number; answer: Promise<Playlist> }>();
let clicked: number | null = null;

/** Begins to fetch a playlist, and what plays it. Call it on the click that leads to the player. */
export function prefetch(url: string): void {
  clicked = performance.now();
  loadParts();
  ask(url);
}

/** Begins to load what plays videos; before any click, where one is to be expected. */
export function loadParts(): void {
  void import("./chrome.js").catch(() => undefined);
  if (hasMediaSource()) void import("./streaming.js").catch(() => undefined);
}

/** Whether hls.js can play here; else the browser does so by itself. */
export function hasMediaSource(): boolean {
  return "ManagedMediaSource" in globalThis || "MediaSource" in globalThis;
}

/** When waiting for the first frame began: with the click, if it was just now. Milliseconds, as `performance.now()`. */
export function began(): number {
  const now = performance.now();
  const at = clicked !== null && now - clicked < KEPT_MS ? clicked : now;
  clicked = null;
  return at;
}

/** Asks, unless that was done just now. */
export function ask(url: string): void {
  const { href } = new URL(url, location.href);
  const now = performance.now();
  for (const [key, { at }] of ahead) if (now - at > KEPT_MS) ahead.delete(key);
  if (ahead.has(href)) return;
  const answer = load(href);
  answer.catch(() => undefined); // whoever takes it hears of it
  ahead.set(href, { at: now, answer });
}

/** The playlist: what was asked for ahead, once, else a fresh one. Throws PlaylistError. */
export function playlist(url: string): Promise<Playlist> {
  const { href } = new URL(url, location.href);
  const found = ahead.get(href);
  ahead.delete(href);
  return found && performance.now() - found.at < KEPT_MS ? found.answer : load(href);
}

/** The playlist as it is now, whatever the browser has kept. Throws PlaylistError. */
export function freshPlaylist(url: string): Promise<Playlist> {
  return load(url, "reload");
}

async function load(url: string, cache: RequestCache = "default"): Promise<Playlist> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { credentials: "same-origin", cache });
    text = await response.text();
  } catch {
    throw new PlaylistError(unreachable(), null);
  }
  if (response.ok) return { url: response.url, text };
  const after = Number(response.headers.get("retry-after"));
  throw new PlaylistError(problemIn(text, response.status), after > 0 ? after : null);
}

/** The problem in an answer's text. */
export function problemIn(text: string, status: number): Problem {
  try {
    const answer: unknown = JSON.parse(text);
    if (isProblem(answer)) return answer;
  } catch {
    // not from our services
  }
  return { ...unreachable(), status };
}
