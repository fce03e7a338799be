/** Draws captions over the picture and above the controls. The browser would draw them below the controls. */
import { html, nothing, type TemplateResult } from "lit";

/** Whether a cue belongs to the upper edge: only if its author says so. */
export function isAtTop({ line, snapToLines }: VTTCue): boolean {
  if (typeof line !== "number") return false;
  return snapToLines ? line >= 0 && line < 5 : line < 40; // lines from the top, or percent of the height
}

/** Draws the cues of the shown tracks at each change. */
export class Captions {
  private cues: VTTCue[] = [];
  private isNative = false; // in picture-in-picture and in a phone's full screen, the browser draws the captions
  private readonly undo: (() => void)[] = [];

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly changed: () => void,
  ) {
    const on = (target: EventTarget, kind: string, act: (event: Event) => void) => {
      target.addEventListener(kind, act);
      this.undo.push(() => target.removeEventListener(kind, act));
    };
    const look = () => this.look();
    for (const track of video.textTracks) on(track, "cuechange", look);
    on(video.textTracks, "addtrack", (event) => (event as TrackEvent).track && on((event as TrackEvent).track!, "cuechange", look));
    on(video.textTracks, "change", look);
    on(video, "seeked", look);
    for (const kind of ["enterpictureinpicture", "webkitbeginfullscreen"]) on(video, kind, () => this.leave(true));
    for (const kind of ["leavepictureinpicture", "webkitendfullscreen"]) on(video, kind, () => this.leave(false));
  }

  stop(): void {
    for (const undo of this.undo.splice(0)) undo();
  }

  private leave(isNative: boolean): void {
    this.isNative = isNative;
    this.video.classList.toggle("has-own-captions", !isNative);
    this.changed();
  }

  private look(): void {
    const shown = [...this.video.textTracks].filter(({ mode, kind }) => mode === "showing" && kind !== "metadata");
    const cues = shown.flatMap(({ activeCues }) => [...(activeCues ?? [])]) as VTTCue[];
    if (cues.length === this.cues.length && cues.every((cue, n) => cue === this.cues[n])) return;
    this.cues = cues;
    this.changed();
  }

  /** The cues at the upper or lower edge. */
  render(isTop: boolean): TemplateResult | typeof nothing {
    const cues = this.isNative ? [] : this.cues.filter((cue) => isAtTop(cue) === isTop);
    if (!cues.length) return nothing;
    return html`${cues.map((cue) => html`<p class="mam-cue is-${cue.align}" dir="auto"><span>${cue.getCueAsHTML()}</span></p>`)}`;
  }
}
