/** All uploads of this tab: starts them in turn, and handles sign-ins, reloads and other tabs. */
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
import type { State } from "./states.js";
import { Upload } from "./upload.js";

const FILES_AT_ONCE = 2; // Each sends several parts at once; more files would only share the connection.
const SHOWN_MS = 250; // Milliseconds between two updates of the progress.
const SUBTITLES = /\.(srt|vtt)$/i;
const KNOWN_SECONDS = 24 * 3600; // The service keeps completed uploads this long.

/** Fired by `Queue` when the view has to change. */
export const CHANGE = "change";
/** Fired by `Queue` with {upload, before} when an upload changes its state. */
export const MOVE = "move";
/** Fired by `Queue` with the number of added files. */
export const ADD = "add";

export class Queue extends EventTarget {
  uploads: readonly Upload[] = [];
  leftOut: readonly string[] = []; // names of files in dropped folders that are not videos
  unread: readonly string[] = []; // names of dropped files that could not be read
  terms: UploadTerms | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private later: ReturnType<typeof setTimeout> | null = null;
  private isBusy = false; // with many uploads at once

  constructor() {
    super();
    window.addEventListener(SESSION, () => this.sessionChanged());
    window.addEventListener("online", () => void this.open());
    window.addEventListener("beforeunload", (event) => {
      if (!this.uploads.some(({ goesOn }) => goesOn)) return;
      event.preventDefault();
      event.returnValue = true; // for browsers before 2023
    });
    window.addEventListener(RELOAD, (event) => this.uploads.some(({ goesOn }) => goesOn) && event.preventDefault());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.open(); // another tab may have been closed during an upload
    });
    this.sessionChanged();
  }

  get isOn(): boolean {
    return session.mayUpload;
  }

  /** Adds files for a folder. `unread`: files of the same drop that cannot be read. */
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

  /** Cancels an upload, as `Upload.cancel`, and removes it from the list. */
  async remove(upload: Upload): Promise<void> {
    try {
      await upload.cancel();
    } catch (error) {
      return toastError(error);
    }
    this.takeOff(upload);
  }

  /** Removes an upload from the list only. */
  dismiss(upload: Upload): void {
    upload.dismiss();
    this.takeOff(upload);
  }

  private takeOff(upload: Upload): void {
    this.uploads = this.uploads.filter((each) => each !== upload);
    this.fill();
    this.show();
  }

  /** Removes all finished uploads from the list. */
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

  /** Loads the terms of uploads, and finds the uploads of earlier visits. */
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

  /** Returns how many files were added or resumed. Linear in the number of files: there may be thousands. */
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
      // A file that will be refused is shown as refused at once, before its turn.
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

  /** Changes many uploads, and starts the next ones once, afterwards. */
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
      next.start(); // this calls back here at once
    }
  }

  private show(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.dispatchEvent(new Event(CHANGE));
    // A paused upload is shown as paused.
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

/** Whether the upload is finished. */
export function isOver({ state }: Upload): boolean {
  return state === "done" || state === "bad" || state === "refused";
}

/** The outcome of an upload that is no longer open. */
async function ended({ id, at }: Remembered) {
  try {
    if (at > Date.now() / 1000 - KNOWN_SECONDS) return await uploadsApi.view(id);
  } catch (error) {
    if (problemOf(error).code !== "upload_not_found") throw error;
  }
  forget(id);
  return null;
}

/** Assigns subtitles to the media of the same drop: talk.mp4 for talk.srt, talk.en.srt, talk.mp4.srt. */
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
