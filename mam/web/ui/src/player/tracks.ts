/** Lists the qualities and audio tracks of hls.js for the menus. */
import Hls, { type Level } from "hls.js";
import { texts } from "../texts/index.js";
import type { Lists, Rendition, Sound } from "./lists.js";

/** Keeps the lists up to date with `hls`. */
export function offerTracks(hls: Hls, video: HTMLVideoElement, { renditions, sounds }: Lists): void {
  renditions.chooser = hls;
  const list = () => renditions.fill(hls.levels.map((level, n) => renditionOf(level, n, video)).filter(hasPicture), "addrendition");
  hls.on(Hls.Events.MANIFEST_PARSED, list);
  hls.on(Hls.Events.LEVELS_UPDATED, list);
  hls.on(Hls.Events.LEVEL_SWITCHED, () => renditions.tell("change"));
  const sized = () => renditions.length <= 1 && list(); // a single quality has no size in the playlist
  video.addEventListener("resize", sized);
  hls.on(Hls.Events.DESTROYING, () => video.removeEventListener("resize", sized));

  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => {
    const named = hls.audioTracks.map((track, n) => soundOf(hls, n, track.name, track.lang ?? ""));
    sounds.fill(named, "addtrack");
  });
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHING, () => sounds.tell("change"));
}

function renditionOf(level: Level, index: number, video: HTMLVideoElement): Rendition {
  const size = level.height ? level : { width: video.videoWidth, height: video.videoHeight };
  const name = new URL(level.uri, location.href).searchParams.get("rendition") ?? "";
  return { id: String(index), name, width: size.width, height: size.height, bitrate: level.bitrate };
}

function hasPicture({ height }: Rendition): boolean {
  return height > 0;
}

function soundOf(hls: Hls, index: number, name: string, language: string): Sound {
  const label = name || language || texts.player.track(index + 1);
  return {
    id: String(index), kind: "main", label, language,
    get enabled() {
      return hls.audioTrack === index;
    },
    set enabled(wanted: boolean) {
      if (wanted) hls.audioTrack = index;
    },
  };
}
