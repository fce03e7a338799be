/** What was chosen for one video and holds for the next: subtitles and speed, remembered in this browser. */
const KEY = "mam-choices";

export interface Chosen {
  subtitles?: string; // a language, or the name of a track that has none; "" for none
  speed?: number;
}

export function chosen(): Chosen {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Chosen) : {};
  } catch {
    return {}; // a frame may have no storage
  }
}

export function choose(more: Chosen): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...chosen(), ...more }));
  } catch {
    // full, or not allowed: then it is chosen again
  }
}

/** What is remembered of a track. */
export function markOf({ language, label }: TextTrack): string {
  return language || label;
}

export function isCaption({ kind }: TextTrack): boolean {
  return kind === "subtitles" || kind === "captions";
}
