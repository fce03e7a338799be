/** All uploads of this tab: which of them run, and what a sign-in, a reload and other tabs mean to them. */
import { localProblem, problemOf } from "../shared/api.js";
import { titleOf } from "../shared/names.js";
import { RELOAD } from "../shared/parts.js";
import { SESSION, session } from "../shared/session.js";
import { toastError } from "../shared/toasts.js";
import type { Problem, UploadTerms } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { uploadsApi } from "./api.js";
import type { Found } from "./files.js";
import { taken } from "./locks.js";
import { folderAt, type Place } from "./place.js";
import { fingerprint, forget, handleOf, type Remembered, remembered } from "./storage.js";
import { type State, Upload } from "./upload.js";

const FILES_AT_ONCE = 2; // each with some parts: more would share the same line
const SHOWN_MS = 250; // between two looks at progress
const SUBTITLES = /\.(srt|vtt)$/i;
const KNOWN_SECONDS = 24 * 3600; // so long the service knows of what is complete

/** What `Queue` fires: something is to be shown anew. */
export const CHANGE = "change";
/** What `Queue` fires with {upload, before}: one has gone from one state to another. */
export const MOVE = "move";
/** What `Queue` fires with the number of files: they were added. */
export const ADD = "add";

export class Queue extends EventTarget {
  uploads: readonly Upload[] = [];
  leftOut: readonly string[] = []; // names of files in folders that are no videos
  unread: readonly string[] = []; // names of what was dropped and could not be read
  terms: UploadTerms | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private later: ReturnType<typeof setTimeout> | null = null;
  private isBusy = false; // with many at once

  constructor() {
    super();
    window.addEventListener(SESSION, () => this.sessionChanged());
    window.addEventListener("online", () => void this.open());
    window.addEventListener("beforeunload", (event) => {
      if (!this.uploads.some(({ goesOn }) => goesOn)) return;
      event.preventDefault();
      event.returnValue = true; // what browsers before 2023 heed
    });
    window.addEventListener(RELOAD, (event) => this.uploads.some(({ goesOn }) => goesOn) && event.preventDefault());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.open(); // another tab may have been closed in the middle
    });
    this.sessionChanged();
  }

  get isOn(): boolean {
    return Boolean(session.view?.signed_in && session.view.uploads);
  }

  /** Files that somebody wants at a place. `unread`: what was dropped with them and cannot be read. */
  async add(found: readonly Found[], place: Place | null, unread: readonly string[] = []): Promise<void> {
    this.unread = [...this.unread, ...unread];
    if (unread.length) this.show();
    if (!found.length) return;
    const terms = this.terms ?? (await this.open());
    if (!terms) return;
    const isFolder = found.some(({ folder }) => folder);
    const wanted = isFolder ? found.filter(({ file }) => isTaken(file.name, terms)) : found;
    const added = this.together(() => this.addAll(wanted, folderAt(place, terms), terms));
    if (isFolder) this.leftOut = [...this.leftOut, ...found.filter((each) => !wanted.includes(each)).map(({ file }) => file.name)];
    if (added) this.dispatchEvent(new CustomEvent(ADD, { detail: added }));
    this.show();
  }

  /** Ends it, as `Upload.cancel`, and takes it from the list. */
  async remove(upload: Upload): Promise<void> {
    try {
      await upload.cancel();
    } catch (error) {
      return toastError(error);
    }
    this.takeOff(upload);
  }

  /** Takes it from the list alone. */
  dismiss(upload: Upload): void {
    upload.dismiss();
    this.takeOff(upload);
  }

  private takeOff(upload: Upload): void {
    this.uploads = this.uploads.filter((each) => each !== upload);
    this.fill();
    this.show();
  }

  /** Takes away all rows of what is over. */
  clear(): void {
    this.leftOut = this.unread = [];
    this.together(() => {
      for (const upload of this.uploads) if (isOver(upload)) upload.dismiss();
      this.uploads = this.uploads.filter((upload) => !isOver(upload));
    });
  }

  pauseAll(): void {
    this.together(() => {
      for (const upload of this.uploads) if (upload.goesOn && upload.state !== "completing") upload.pause();
    });
  }

  goOnAll(): void {
    this.together(() => {
      for (const upload of this.uploads) if (upload.state === "paused") upload.goOn();
    });
  }

  /** Learns where files go, and finds what earlier visits left behind. */
  async open(): Promise<UploadTerms | null> {
    if (!this.isOn) return null;
    try {
      const [{ uploads, ...terms }, others] = await Promise.all([uploadsApi.list(), taken()]);
      this.terms = terms;
      for (const known of remembered()) {
        if (this.uploads.some(({ id }) => id === known.id) || others.has(known.id)) continue;
        const view = uploads.find(({ id }) => id === known.id) ?? (await ended(known));
        const handle = view && (await handleOf(known.id));
        const isNews = !this.uploads.some(({ id }) => id === known.id) && remembered().some(({ id }) => id === known.id);
        if (view && isNews) {
          this.uploads = [...this.uploads, Upload.again(view, known.name, handle, this.changed)];
        }
      }
      this.show();
      return terms;
    } catch (error) {
      if (session.view?.signed_in) toastError(error);
      return null;
    }
  }

  /** How many were added, or go on. Each file is looked at once, be they thousands. */
  private addAll(wanted: readonly Found[], below: string, terms: UploadTerms): number {
    const known = new Map<string, Upload[]>();
    const note = (upload: Upload) => {
      const alike = known.get(upload.fingerprint);
      if (alike) alike.push(upload);
      else known.set(upload.fingerprint, [upload]);
    };
    this.uploads.forEach(note);
    const fresh: [Upload, File][] = [];
    const came: Upload[] = [];
    let resumed = 0;
    for (const { file, folder, handle } of wanted) {
      const [mark, path] = [fingerprint(file), `${below}${folder}`];
      const same = known.get(mark)?.find((each) => each.folder === path || (!folder && each.state === "interrupted"));
      if (same && !isOver(same) && same.state !== "checking") {
        came.push(same);
        if (!["interrupted", "paused", "failed"].includes(same.state)) continue;
        same.goOn(file, handle);
        resumed += 1;
        continue;
      }
      const upload = Upload.of(file, mark, path, handle, this.changed);
      note(upload);
      came.push(upload);
      fresh.push([upload, file]);
    }
    joinSubtitles(fresh.map(([upload]) => upload), came);
    this.uploads = [...this.uploads, ...fresh.map(([upload]) => upload)];
    for (const [upload, file] of fresh) {
      if (!file.size) upload.refuse(emptyFile(file.name));
      // What will be refused is named so at once, before others have had their turn.
      else if (!isTaken(file.name, terms) || file.size > terms.max_bytes) upload.start();
    }
    return fresh.length + resumed;
  }

  private readonly changed = (upload: Upload, before: State): void => {
    if (upload.state === before) {
      this.timer ??= setTimeout(() => this.show(), SHOWN_MS);
      return;
    }
    this.dispatchEvent(new CustomEvent(MOVE, { detail: { upload, before } }));
    if (this.isBusy) return;
    this.fill();
    this.show();
  };

  /** Does something with many; which of them run is looked at once, after it. */
  private together<T>(act: () => T): T {
    this.isBusy = true;
    try {
      return act();
    } finally {
      this.isBusy = false;
      this.fill();
      this.show();
    }
  }

  private fill(): void {
    while (this.isOn && this.uploads.filter(({ runs }) => runs).length < FILES_AT_ONCE) {
      const next = this.uploads.find(({ isReady }) => isReady);
      if (!next) return;
      next.start(); // which comes back here at once
    }
  }

  private show(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.dispatchEvent(new Event(CHANGE));
    // What stands still is seen to do so.
    if (this.uploads.some(({ state }) => state === "sending")) this.later ??= setTimeout(() => this.tick(), 1000);
  }

  private tick(): void {
    this.later = null;
    this.show();
  }

  private sessionChanged(): void {
    if (!session.view) return;
    if (!session.view.signed_in) {
      this.together(() => this.uploads.forEach((upload) => upload.hold()));
      return;
    }
    this.together(() => this.uploads.forEach((upload) => upload.signedIn()));
    void this.open();
  }
}

export const queue = new Queue();

/** Whether nothing more will come of it. */
export function isOver({ state }: Upload): boolean {
  return state === "done" || state === "bad" || state === "refused";
}

/** What became of an upload that is not open any more. */
async function ended({ id, at }: Remembered) {
  try {
    if (at > Date.now() / 1000 - KNOWN_SECONDS) return await uploadsApi.view(id);
  } catch (error) {
    if (problemOf(error).code !== "upload_not_found") throw error;
  }
  forget(id);
  return null;
}

/** Tells subtitles which of the media that they came with is theirs: talk.mp4 for talk.srt, talk.en.srt, talk.mp4.srt. */
function joinSubtitles(uploads: readonly Upload[], came: readonly Upload[]): void {
  const place = ({ folder }: Upload, name: string) => `${folder}\n${name}`;
  const media = new Map<string, Upload>();
  for (const upload of came.filter(({ name }) => !SUBTITLES.test(name))) {
    for (const name of [upload.name, titleOf(upload.name)]) {
      if (!media.has(place(upload, name))) media.set(place(upload, name), upload);
    }
  }
  for (const upload of uploads.filter(({ name }) => SUBTITLES.test(name))) {
    for (let name = titleOf(upload.name); !upload.medium; name = titleOf(name)) {
      upload.medium = media.get(place(upload, name)) ?? null;
      if (titleOf(name) === name) break;
    }
  }
}

function isTaken(name: string, { extensions }: UploadTerms): boolean {
  return extensions.includes(name.split(".").at(-1)!.toLowerCase());
}

function emptyFile(name: string): Problem {
  const { title, hint } = texts.uploads.empty(name);
  return localProblem("empty_file", { title, hint, status: 422 });
}
