/** Keyboard shortcuts. They work on the whole page, unless the focused element uses the key. */

/** The player, as the keys use it. */
export interface PlayerActions {
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

const ACTIONS: Record<string, (player: PlayerActions) => void> = {
  " ": (player) => player.togglePlay(),
  k: (player) => player.togglePlay(),
  ArrowLeft: (player) => player.seekBy(-SHORT_STEP),
  ArrowRight: (player) => player.seekBy(SHORT_STEP),
  j: (player) => player.seekBy(-LONG_STEP),
  l: (player) => player.seekBy(LONG_STEP),
  Home: (player) => player.seekTo(0),
  End: (player) => player.seekTo(player.video.duration),
  ArrowUp: (player) => player.changeVolume(VOLUME_STEP),
  ArrowDown: (player) => player.changeVolume(-VOLUME_STEP),
  m: (player) => player.toggleMuted(),
  c: (player) => player.request("mediatogglesubtitlesrequest"),
  "<": (player) => player.changeSpeed(-SPEED_STEP),
  ">": (player) => player.changeSpeed(SPEED_STEP),
  f: (player) => player.request(document.fullscreenElement ? "mediaexitfullscreenrequest" : "mediaenterfullscreenrequest"),
  p: (player) => player.request(document.pictureInPictureElement ? "mediaexitpiprequest" : "mediaenterpiprequest"),
  i: (player) => player.toggleStatistics(),
  "?": (player) => player.showHelp(),
};
const PAGE_KEYS = ["ArrowUp", "ArrowDown", "Home", "End"]; // they scroll the page, unless the focus is in the player

/** Performs the action of a key. */
export function pressed(event: KeyboardEvent, screen: Element, player: PlayerActions): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const isInside = event.composedPath().includes(screen);
  const action = actionOf(event.key);
  if (!action || isWanted(event) || (!isInside && PAGE_KEYS.includes(event.key))) return;
  event.preventDefault();
  event.stopPropagation();
  action(player);
}

function actionOf(key: string): ((player: PlayerActions) => void) | undefined {
  if (/^\d$/.test(key)) return (player) => player.seekTo((Number(key) / 10) * player.video.duration);
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
