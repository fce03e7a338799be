/** What is loaded before it is asked for, by who seems about to watch. */
import { loadParts, prefetch } from "../player/prefetch.js";

const HOVER = 100; // milliseconds: shorter ones pass by
let timer = 0;
let last: Element | null = null;

/** A card is pointed at or focused: if that lasts, the player is loaded. */
export function intend(event: Event): void {
  const card = (event.target as Element).closest(".asset");
  if (card === last) return;
  last = card;
  clearTimeout(timer);
  if (card) timer = window.setTimeout(() => void load(), HOVER);
}

/** A link to a video is pressed or clicked: its playlist is asked for at once. Of a press by touch, which may only
 * scroll, nobody knows whether a click follows; and a playlist that is asked for begins a conversion. */
export function beginWatching(event: MouseEvent, playlist: string): void {
  const isSure = event.type === "click" || (event instanceof PointerEvent && event.pointerType === "mouse");
  const isElsewhere = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (isSure && !isElsewhere) prefetch(playlist);
}

async function load(): Promise<void> {
  loadParts();
  await import("../player/page.js").catch(() => undefined); // the page that is opened says so
}
