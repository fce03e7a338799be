/** URLs of an asset, and the player's options in an address. */
import { quotePath } from "../shared/api.js";

const TIME = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/;

const LADDER = "?default=ladder"; // An asset without a stream becomes a ladder. An existing stream is played as it is.

/** The playlist for other players. */
export function playlistUrl(bucket: string, path: string): string {
  return `/stream/${encodeURIComponent(bucket)}/${quotePath(path)}/playlist.m3u8`;
}

/** The playlist for the player of these pages. */
export function ownPlaylistUrl(bucket: string, path: string): string {
  return playlistUrl(bucket, path) + LADDER;
}

/** The status of the stream that `ownPlaylistUrl` gets. */
export function statusUrl(bucket: string, path: string): string {
  return `/stream/${encodeURIComponent(bucket)}/${quotePath(path)}/status${LADDER}`;
}

export function watchUrl(bucket: string, path: string): string {
  return `/watch/${encodeURIComponent(bucket)}/${quotePath(path)}`;
}

export function embedUrl(bucket: string, path: string): string {
  return `/embed/${encodeURIComponent(bucket)}/${quotePath(path)}`;
}

export interface Wishes {
  at: number | null; // seconds
  autoplay: boolean;
  muted: boolean;
}

/** `?t=90`, `?t=1m30s`, `?autoplay=1`, `?muted=1`. */
export function wishesOf(query: string): Wishes {
  const asked = new URLSearchParams(query);
  const is = (name: string) => !["0", "false", null].includes(asked.get(name));
  return { at: secondsOf(asked.get("t") ?? ""), autoplay: is("autoplay"), muted: is("muted") };
}

function secondsOf(text: string): number | null {
  const found = TIME.exec(text);
  if (!text || !found) return null;
  const [h, m, s] = found.slice(1).map((part) => Number(part ?? 0));
  return h! * 3600 + m! * 60 + s!;
}
