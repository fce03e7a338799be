/** Links and commands to copy from the player's page. */
import { titleOf } from "../shared/names.js";
import { shellWord } from "../shared/shell.js";
import { embedUrl, watchUrl } from "./address.js";

/** Link to the page at a time; without the time near the beginning. */
export function linkAt(bucket: string, path: string, seconds: number): string {
  const at = Math.floor(seconds);
  return `${location.origin}${watchUrl(bucket, path)}${at > 0 ? `?t=${at}` : ""}`;
}

export function embedCode(bucket: string, path: string): string {
  const src = `${location.origin}${embedUrl(bucket, path)}`;
  return `<iframe src="${escaped(src)}" title="${escaped(titleOf(path))}" width="640" height="360" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen loading="lazy"></iframe>`;
}

export function ffmpegLine(playlist: string, path: string): string {
  return `ffmpeg -i ${shellWord(playlist)} -c copy ${shellWord(`${titleOf(path)}.mp4`)}`;
}

export function vlcLine(playlist: string): string {
  return `vlc ${shellWord(playlist)}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
