/** The modules that play: hls.js or the browser's own HLS, and the controls. Each is a chunk of its own. */

/** Starts to load the player's chunks before a click, when one is likely. */
export function loadParts(): void {
  void import("./chrome.js").catch(() => undefined);
  if (hasMediaSource()) void import("./streaming.js").catch(() => undefined);
}

/** Whether hls.js can play here. Otherwise the browser plays HLS itself. */
export function hasMediaSource(): boolean {
  return "ManagedMediaSource" in globalThis || "MediaSource" in globalThis;
}
