/** URLs of an asset, and the player's options in an address. */
import { quotePath } from "../shared/api.js";

const TIME = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/;

const TOKEN = /^\/p\/[^/]+(?=\/)/;

/** What precedes the paths of a page that was opened with a playback token: `/p/{token}`. All it requests has it too. */
export function tokenPrefix(): string {
  return TOKEN.exec(location.pathname)?.[0] ?? "";
}

const LADDER = "?default=ladder"; // An asset without a stream becomes a ladder. An existing stream is played as it is.

/** The playlist for other players. */
export function playlistUrl(bucket: string, path: string): string {
  return `${tokenPrefix()}/stream/${encodeURIComponent(bucket)}/${quotePath(path)}/playlist.m3u8`;
}

/** The playlist for the player of these pages. */
export function ownPlaylistUrl(bucket: string, path: string): string {
  return playlistUrl(bucket, path) + LADDER;
}

/** The status of the stream that `ownPlaylistUrl` gets. */
export function statusUrl(bucket: string, path: string): string {
  return `${tokenPrefix()}/stream/${encodeURIComponent(bucket)}/${quotePath(path)}/status${LADDER}`;
}

export function watchUrl(bucket: string, path: string): string {
  return `${tokenPrefix()}/watch/${encodeURIComponent(bucket)}/${quotePath(path)}`;
}

/** The file itself. */
export function downloadUrl(bucket: string, path: string): string {
  return `${tokenPrefix()}/download/${encodeURIComponent(bucket)}/${quotePath(path)}`;
}

export function embedUrl(bucket: string, path: string): string {
  return `${tokenPrefix()}/embed/${encodeURIComponent(bucket)}/${quotePath(path)}`;
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
