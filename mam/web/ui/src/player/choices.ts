/** Choices that apply to the next video too: subtitles and speed, remembered in this browser. */
const KEY = "mam-choices";

export interface Chosen {
  subtitles?: string; // a language, or the label of a track without one
  hasSubtitles?: boolean; // whether subtitles are shown
  speed?: number;
}

/** Whether this browser remembers choices: a frame of another site may have no storage. */
export function canRemember(): boolean {
  try {
    return Boolean(localStorage);
  } catch {
    return false;
  }
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
    // full, or not allowed: the viewer chooses again
  }
}

/** The subtitles among a video's tracks. */
export function captionTracks({ textTracks }: HTMLVideoElement): TextTrack[] {
  return [...textTracks].filter(isCaption);
}

/** Shows a new track, if it matches the choice for an earlier video. */
export function showChosen(video: HTMLVideoElement, track: TextTrack | null): void {
  const { subtitles, hasSubtitles } = chosen();
  if (!track || !hasSubtitles || !isCaption(track) || markOf(track) !== subtitles) return;
  if (!captionTracks(video).some(isShown)) track.mode = "showing";
}

/** Remembers the shown subtitles. `isToggled`: no language was chosen, so the last chosen one is shown, not the first. */
export function rememberSubtitles(video: HTMLVideoElement, isToggled: boolean): void {
  const tracks = captionTracks(video);
  let shown = tracks.find(isShown);
  const meant = tracks.find((track) => markOf(track) === chosen().subtitles);
  if (isToggled && shown && meant && shown !== meant) {
    shown.mode = "disabled";
    meant.mode = "showing";
    shown = meant;
  }
  choose(shown ? { subtitles: markOf(shown), hasSubtitles: true } : { hasSubtitles: false });
}

function markOf({ language, label }: TextTrack): string {
  return language || label;
}

function isCaption({ kind }: TextTrack): boolean {
  return kind === "subtitles" || kind === "captions";
}

function isShown({ mode }: TextTrack): boolean {
  return mode === "showing";
}
