/** The expiry of signed URLs in a playlist, and the new URLs of segments after it. */
import { freshPlaylist } from "./prefetch.js";

/** When the first signed URL in a text expires, in Unix seconds (X-Amz-Date + X-Amz-Expires). */
export function signedUntil(text: string): number | null {
  const [, date] = /[?&]X-Amz-Date=(\d{8}T\d{6}Z)/.exec(text) ?? [];
  const [, expires] = /[?&]X-Amz-Expires=(\d+)/.exec(text) ?? [];
  if (!date || !expires) return null;
  const iso = date.replace(/(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\d)Z/, "$1-$2-$3:$4:$5Z");
  return Date.parse(iso) / 1000 + Number(expires);
}

/** New URLs for segments whose URLs have expired. hls.js keeps the URLs of the playlist that it read once. */
export class Addresses {
  private readonly fresh = new Map<string, string>();
  private readonly asked = new Map<string, Promise<void>>();

  constructor(private readonly read: (text: string) => void) {}

  of(url: string): string {
    return this.fresh.get(nameOf(url)) ?? url;
  }

  /** Loads a media playlist again; concurrent callers share one request. Throws PlaylistError. */
  renew(playlist: string): Promise<void> {
    const going = this.asked.get(playlist);
    if (going) return going;
    const begun = this.load(playlist).finally(() => this.asked.delete(playlist));
    this.asked.set(playlist, begun);
    return begun;
  }

  private async load(playlist: string): Promise<void> {
    const { url, text } = await freshPlaylist(playlist);
    for (const each of urisIn(text)) {
      const { href } = new URL(each, url);
      this.fresh.set(nameOf(href), href);
    }
    this.read(text);
  }
}

function urisIn(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  const maps = lines.flatMap((line) => (line.startsWith("#EXT-X-MAP:") ? (/URI="([^"]+)"/.exec(line)?.[1] ?? []) : []));
  return [...maps, ...lines.filter((line) => line && !line.startsWith("#"))];
}

/** The constant part of a segment's URL, before and after the video is live: revision, rendition and file. */
function nameOf(url: string): string {
  return new URL(url).pathname.split("/").slice(-3).join("/");
}
