/** Loads the player and its playlist before the page opens, for a viewer who is about to watch. */
import { ownPlaylistUrl } from "../player/address.js";
import { loadParts } from "../player/modules.js";
import { prefetch } from "../player/prefetch.js";

const HOVER = 100; // Milliseconds: a shorter hover only passes over the card.
let timer = 0;
let last: Element | null = null;

/** Loads the player when a card stays hovered or focused. */
export function preloadOnHover(event: Event): void {
  const card = (event.target as Element).closest(".asset");
  if (card === last) return;
  last = card;
  clearTimeout(timer);
  if (card) timer = window.setTimeout(() => void load(), HOVER);
}

/** Requests the playlist when a link to a video is pressed or clicked. A touch press may be a scroll and is ignored:
 * a request for a playlist starts a conversion. */
export function preloadOnPress(event: MouseEvent, bucket: string, key: string): void {
  const isSure = event.type === "click" || (event instanceof PointerEvent && event.pointerType === "mouse");
  const isElsewhere = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!isSure || isElsewhere) return;
  loadParts();
  prefetch(ownPlaylistUrl(bucket, key));
}

async function load(): Promise<void> {
  loadParts();
  await import("../player/page.js").catch(() => undefined); // the router shows the error when the page opens
}
