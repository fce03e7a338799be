/** Keyboard shortcuts. They work on the whole page, unless the focused element uses the key. */

/** The player, as the keys use it. */
export interface Playing {
  video: HTMLVideoElement;
  /** Sends a request to media-chrome, as its buttons do. */
  request(name: string, detail?: unknown): void;
  seekBy(seconds: number): void;
  seekTo(seconds: number): void;
  togglePlay(): void;
  changeVolume(by: number): void;
  toggleMuted(): void;
  changeSpeed(by: number): void;
  toggleStatistics(): void;
  showHelp(): void;
}

const SHORT_STEP = 5; // seconds
const LONG_STEP = 10;
const VOLUME_STEP = 0.05;
const SPEED_STEP = 0.25;

const ACTIONS: Record<string, (playing: Playing) => void> = {
  " ": (playing) => playing.togglePlay(),
  k: (playing) => playing.togglePlay(),
  ArrowLeft: (playing) => playing.seekBy(-SHORT_STEP),
  ArrowRight: (playing) => playing.seekBy(SHORT_STEP),
  j: (playing) => playing.seekBy(-LONG_STEP),
  l: (playing) => playing.seekBy(LONG_STEP),
  Home: (playing) => playing.seekTo(0),
  End: (playing) => playing.seekTo(playing.video.duration),
  ArrowUp: (playing) => playing.changeVolume(VOLUME_STEP),
  ArrowDown: (playing) => playing.changeVolume(-VOLUME_STEP),
  m: (playing) => playing.toggleMuted(),
  c: (playing) => playing.request("mediatogglesubtitlesrequest"),
  "<": (playing) => playing.changeSpeed(-SPEED_STEP),
  ">": (playing) => playing.changeSpeed(SPEED_STEP),
  f: (playing) => playing.request(document.fullscreenElement ? "mediaexitfullscreenrequest" : "mediaenterfullscreenrequest"),
  p: (playing) => playing.request(document.pictureInPictureElement ? "mediaexitpiprequest" : "mediaenterpiprequest"),
  i: (playing) => playing.toggleStatistics(),
  "?": (playing) => playing.showHelp(),
};
const PAGE_KEYS = ["ArrowUp", "ArrowDown", "Home", "End"]; // they scroll the page, unless the focus is in the player

/** Performs the action of a key. */
export function pressed(event: KeyboardEvent, screen: Element, playing: Playing): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const isInside = event.composedPath().includes(screen);
  const action = actionOf(event.key);
  if (!action || isWanted(event) || (!isInside && PAGE_KEYS.includes(event.key))) return;
  event.preventDefault();
  event.stopPropagation();
  action(playing);
}

function actionOf(key: string): ((playing: Playing) => void) | undefined {
  if (/^\d$/.test(key)) return (playing) => playing.seekTo((Number(key) / 10) * playing.video.duration);
  return ACTIONS[key.length === 1 ? key.toLowerCase() : key];
}

/** Whether the focused element uses the key itself. */
function isWanted(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  if (!(target instanceof Element)) return false;
  if (document.querySelector("dialog[open]")) return true;
  const path = event.composedPath().filter((each): each is Element => each instanceof Element);
  if (path.some((each) => each.matches("media-time-range"))) return false; // its own steps are too large: a hundredth of the video
  if (target.matches("input, textarea, select, [contenteditable]")) return true;
  if (path.some((each) => each.matches("[role=menu]"))) return true;
  const isButton = path.some((each) => each.matches("button, a, summary, [role=button]"));
  return isButton && [" ", "Enter"].includes(event.key);
}
