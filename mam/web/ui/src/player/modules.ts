/** The modules that play: hls.js or the browser's own HLS, and the controls. Each is a chunk of its own. */
import type { Engine, EngineEvents } from "./engine.js";
import type { Lists } from "./lists.js";

/** Starts to load the player's chunks before a click, when one is likely. */
export function loadParts(): void {
  void import("./chrome.js").catch(() => undefined);
  if (hasMediaSource()) void import("./streaming.js").catch(() => undefined);
}

type CreateEngine = (video: HTMLVideoElement, url: string, at: number | null, events: EngineEvents, lists: Lists) => Engine;

/** Loads the controls and the engine; returns what creates one. */
export async function loadEngine(): Promise<CreateEngine> {
  const [, modules] = await Promise.all([import("./chrome.js"), hasMediaSource() ? import("./streaming.js") : import("./native.js")]);
  return (video, url, at, events, lists) =>
    "Streaming" in modules ? new modules.Streaming(video, url, at, events, lists) : new modules.Native(video, url, at, events);
}

/** Whether hls.js can play here. Otherwise the browser plays HLS itself. */
export function hasMediaSource(): boolean {
  return "ManagedMediaSource" in globalThis || "MediaSource" in globalThis;
}
