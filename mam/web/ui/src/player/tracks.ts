/** Qualities and sounds of hls.js, in the shape in which media-chrome's menus look for them at a media element. */
import Hls, { type Level } from "hls.js";
import { texts } from "../texts/index.js";

interface Rendition {
  id: string;
  width: number;
  height: number;
  bitrate: number;
}

interface Sound {
  id: string;
  kind: string;
  label: string;
  language: string;
  enabled: boolean;
}

/** A list that tells when it changes. Its items are its numbered properties, as in the DOM's own lists. */
class TrackList<T> extends EventTarget {
  [index: number]: T;
  length = 0;

  *[Symbol.iterator](): Iterator<T> {
    for (let n = 0; n < this.length; n += 1) yield this[n]!;
  }

  fill(items: T[], kind: string): void {
    for (let n = 0; n < this.length; n += 1) delete this[n];
    Object.assign(this, items);
    this.length = items.length;
    this.tell(kind);
  }

  tell(kind: string): void {
    this.dispatchEvent(new Event(kind));
  }
}

class Renditions extends TrackList<Rendition> {
  constructor(private readonly hls: Hls) {
    super();
  }

  /** -1: what suits the connection. */
  get selectedIndex(): number {
    return [...this].findIndex(({ id }) => id === String(this.hls.manualLevel));
  }

  set selectedIndex(index: number) {
    this.hls.nextLevel = Number(this[index]?.id ?? -1);
    this.tell("change");
  }
}

/** Keeps both lists of `video` in step with `hls`. */
export function offerTracks(hls: Hls, video: HTMLVideoElement): void {
  const renditions = new Renditions(hls);
  const sounds = new TrackList<Sound>();
  Object.defineProperty(video, "videoRenditions", { value: renditions, configurable: true });
  Object.defineProperty(video, "audioTracks", { value: sounds, configurable: true });

  const list = () => renditions.fill(hls.levels.map((level, n) => renditionOf(level, n, video)).filter(hasPicture), "addrendition");
  hls.on(Hls.Events.MANIFEST_PARSED, list);
  hls.on(Hls.Events.LEVELS_UPDATED, list);
  hls.on(Hls.Events.LEVEL_SWITCHED, () => renditions.tell("change"));
  video.addEventListener("resize", () => renditions.length <= 1 && list()); // one alone does not say how large it is

  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => {
    const named = hls.audioTracks.map((track, n) => soundOf(hls, n, track.name, track.lang ?? ""));
    sounds.fill(named, "addtrack");
  });
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHING, () => sounds.tell("change"));
}

function renditionOf(level: Level, index: number, video: HTMLVideoElement): Rendition {
  const size = level.height ? level : { width: video.videoWidth, height: video.videoHeight };
  return { id: String(index), width: size.width, height: size.height, bitrate: level.bitrate };
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
