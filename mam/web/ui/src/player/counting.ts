/** Counts what a viewer can choose from, and remembers what was chosen. */
import { captionTracks, choose, rememberSubtitles, showChosen } from "./choices.js";
import type { Choices } from "./controls.js";
import type { Lists } from "./lists.js";
import type { Timers } from "./timers.js";

type Listen = (target: EventTarget, kind: string, listener: (event: Event) => void, options?: { capture?: boolean }) => void;

const SUBTITLES = ["mediashowsubtitlesrequest", "mediadisablesubtitlesrequest", "mediatogglesubtitlesrequest"];

export class ChoiceCount {
  value: Choices = { qualities: 0, sounds: 0, subtitles: 0 };

  /** `changed` is called when the value has changed. */
  constructor(
    private readonly lists: Lists,
    private readonly timers: Timers,
    private readonly changed: () => void,
  ) {}

  /** Listens to the tracks of the video, and to the viewer's choices on the player around it. */
  follow(player: HTMLElement, video: HTMLVideoElement, listen: Listen): void {
    const count = () => this.count(video);
    const { textTracks } = video;
    for (const kind of ["addtrack", "removetrack"]) listen(textTracks, kind, count);
    listen(textTracks, "addtrack", (event) => showChosen(video, (event as TrackEvent).track));
    listen(this.lists.renditions, "addrendition", count);
    listen(this.lists.sounds, "addtrack", count);
    // media-chrome stops these events, so they are captured before it handles them.
    const capture = { capture: true };
    for (const kind of SUBTITLES) {
      const isToggled = kind === "mediatogglesubtitlesrequest";
      listen(player, kind, () => this.timers.start("chosen", 0, () => rememberSubtitles(video, isToggled)), capture);
    }
    listen(player, "mediaplaybackraterequest", (event) => choose({ speed: Number((event as CustomEvent).detail) }), capture);
  }

  count(video: HTMLVideoElement): void {
    const { renditions, sounds } = this.lists;
    this.value = { qualities: renditions.length, sounds: sounds.length, subtitles: captionTracks(video).length };
    this.changed();
  }
}
