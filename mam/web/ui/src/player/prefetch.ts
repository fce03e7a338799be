/** Playlists are requested before the player that needs them has loaded: with the click. */
import { ApiError, isProblem, unreachable } from "../shared/api.js";
import type { Problem } from "../shared/types.js";

const KEPT_MS = 10_000; // A playlist that was requested ahead is kept this long for the player.

export interface Playlist {
  url: string;
  text: string;
}

/** The service's own problem. `retryAfter`: seconds, if the answer has a Retry-After header. */
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

/** Requests a playlist on the click that leads to the player. */
export function prefetch(url: string): void {
  clicked = performance.now();
  ask(url);
}

/** When the wait for the first frame began: at the click, if it is recent, else now. Milliseconds of `performance.now()`. */
export function began(): number {
  const now = performance.now();
  const at = clicked !== null && now - clicked < KEPT_MS ? clicked : now;
  clicked = null;
  return at;
}

/** Requests a playlist ahead, unless the same request is recent. */
export function ask(url: string): void {
  const { href } = new URL(url, location.href);
  const now = performance.now();
  for (const [key, { at }] of ahead) if (now - at > KEPT_MS) ahead.delete(key);
  if (ahead.has(href)) return;
  const answer = load(href);
  answer.catch(() => undefined); // the caller of playlist() handles it
  ahead.set(href, { at: now, answer });
}

/** The playlist that was requested ahead (once), else a new request. Throws PlaylistError. */
export function playlist(url: string): Promise<Playlist> {
  const { href } = new URL(url, location.href);
  const found = ahead.get(href);
  ahead.delete(href);
  return found && performance.now() - found.at < KEPT_MS ? found.answer : load(href);
}

/** The current playlist, past the browser's cache. Throws PlaylistError. */
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

/** The problem in the body of an error answer. */
export function problemIn(text: string, status: number): Problem {
  try {
    const answer: unknown = JSON.parse(text);
    if (isProblem(answer)) return answer;
  } catch {
    // a proxy's answer, not the service's
  }
  return { ...unreachable(), status };
}
