/** What is copied from a page: links, and lines for other programs. */
import { embedUrl, titleOf, watchUrl } from "./address.js";

/** The page at a time; without one near the beginning. */
export function linkAt(bucket: string, path: string, seconds: number): string {
  const at = Math.floor(seconds);
  return `${location.origin}${watchUrl(bucket, path)}${at > 0 ? `?t=${at}` : ""}`;
}

export function embedCode(bucket: string, path: string): string {
  const src = `${location.origin}${embedUrl(bucket, path)}`;
  return `<iframe src="${escaped(src)}" title="${escaped(titleOf(path))}" width="640" height="360" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen loading="lazy"></iframe>`;
}

export function curlLine(playlist: string): string {
  return `curl --compressed ${quoted(playlist)}`;
}

export function ffmpegLine(playlist: string, path: string): string {
  return `ffmpeg -i ${quoted(playlist)} -c copy ${quoted(`${titleOf(path)}.mp4`)}`;
}

export function vlcLine(playlist: string): string {
  return `vlc ${quoted(playlist)}`;
}

/** One word of a POSIX shell, whatever is in it. A name that begins with a dash is no option. */
function quoted(text: string): string {
  const safe = text.startsWith("-") ? `./${text}` : text;
  return `'${safe.replaceAll("'", `'\\''`)}'`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
