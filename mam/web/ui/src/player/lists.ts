/** Lists of qualities and audio tracks, in the form that media-chrome expects at a media element. */

export interface Rendition {
  id: string;
  name: string; // as in the playlist and in the stream's status; empty where there is only one
  width: number;
  height: number;
  bitrate: number;
}

export interface Sound {
  id: string;
  kind: string;
  label: string;
  language: string;
  enabled: boolean;
}

/** Applies a choice. -1: automatic, by bandwidth. */
export interface Chooser {
  readonly manualLevel: number;
  nextLevel: number;
}

/** A list that fires events when it changes. Its items are numbered properties, as in the DOM's lists. */
export class TrackList<T> extends EventTarget {
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

export class Renditions extends TrackList<Rendition> {
  chooser: Chooser | null = null;

  get selectedIndex(): number {
    return [...this].findIndex(({ id }) => id === String(this.chooser?.manualLevel));
  }

  set selectedIndex(index: number) {
    if (this.chooser) this.chooser.nextLevel = Number(this[index]?.id ?? -1);
    this.tell("change");
  }
}

/** Both lists of one media element. */
export class Lists {
  readonly renditions = new Renditions();
  readonly sounds = new TrackList<Sound>();

  /** Attaches the lists to `video`, before media-chrome reads them. Some browsers have an unused list of their own. */
  attach(video: HTMLVideoElement): void {
    Object.defineProperty(video, "videoRenditions", { value: this.renditions, configurable: true });
    Object.defineProperty(video, "audioTracks", { value: this.sounds, configurable: true });
  }
}
