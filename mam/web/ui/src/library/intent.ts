/** What is loaded before it is asked for, by who seems about to watch. */
const HOVER = 100; // milliseconds: shorter ones pass by
let timer = 0;
let last: EventTarget | null = null;

/** A card is pointed at or focused: if that lasts, the player is loaded. */
export function intend(event: Event): void {
  const card = (event.target as HTMLElement).closest(".asset");
  if (card === last) return;
  last = card;
  clearTimeout(timer);
  if (card) timer = window.setTimeout(() => void import("../player/page.js").catch(() => undefined), HOVER);
}

/** A link is pressed: the click that follows is sure enough to ask for the playlist. A finger may only scroll. */
export function beginWatching(_event: PointerEvent): void {}
