/** One upload, from the file to the service's verdict: a state machine. */
import { ApiError, localProblem, problemOf } from "../shared/api.js";
import { titleOf } from "../shared/names.js";
import type { Problem, UploadView, Verdict } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { uploadsApi } from "./api.js";
import { take, takeLater } from "./locks.js";
import { pause, Speed } from "./pace.js";
import { Gone, Parts, patiently, Unreadable } from "./parts.js";
import { ACTIVE, mayFollow, type State } from "./states.js";
import { fingerprint, type FileHandle, forget, keepHandle, remember } from "./storage.js";

/** Fired on `window` with {bucket, key} once an asset can be watched. */
export const UPLOADED = "mam-uploaded";
/** Fired on `window` with {bucket, key} once an object that is not a video has been removed. */
export const REMOVED = "mam-removed";

const FIRST_LOOKS = 10; // The verdict is polled this often at intervals of a second, then more slowly.
const LOOKS = 60;
const BEGINNINGS = 3; // Attempts for one file, if the store loses the upload.

export class Upload {
  state: State;
  view: UploadView | null = null;
  verdict: Verdict | null = null;
  problem: Problem | null = null; // why it was refused or failed
  trouble: Problem | null = null; // the temporary problem that it waits for
  handle: FileHandle | null = null;
  medium: Upload | null = null; // of subtitles: the video of the same drop, whose name they follow
  readonly speed = new Speed();
  private file: File | null;
  private arrived = new Set<number>();
  private parts: Parts | null = null;
  private stop = new AbortController();
  private release: (() => void) | null = null; // of the lock
  private beginning: Promise<unknown> | null = null;
  private isLooking = false;
  private isOff = false; // removed from the list

  /** `changed` is called after each change, with the previous state. */
  private constructor(
    readonly name: string,
    readonly size: number,
    readonly folder: string, // below the prefix
    readonly fingerprint: string,
    file: File | null,
    private readonly changed: (upload: Upload, before: State) => void,
  ) {
    this.file = file;
    this.state = file ? "waiting" : "interrupted";
  }

  /** `mark`: the file's fingerprint. */
  static of(file: File, mark: string, folder: string, handle: FileHandle | null, changed: (upload: Upload, before: State) => void): Upload {
    const upload = new Upload(file.name, file.size, folder, mark, file, changed);
    upload.handle = handle;
    return upload;
  }

  /** An upload of an earlier visit. */
  static again(view: UploadView, name: string, handle: FileHandle | null, changed: (upload: Upload, before: State) => void): Upload {
    const upload = new Upload(name, view.size, view.folder, view.fingerprint, null, changed);
    upload.handle = handle;
    upload.knows(view);
    if (view.state === "complete") {
      upload.state = "checking";
      void upload.judged();
    }
    return upload;
  }

  // state

  get id(): string | null {
    return this.view?.id ?? null;
  }

  /** Whether it runs, or will run by itself. */
  get goesOn(): boolean {
    return ACTIVE.includes(this.state);
  }

  get runs(): boolean {
    return this.goesOn && this.state !== "waiting";
  }

  /** Bytes that the store has or that are being sent. */
  get bytes(): number {
    if (["checking", "done", "bad"].includes(this.state)) return this.size;
    if (this.parts) return this.parts.bytes;
    const { part_size: part, parts } = this.view ?? { part_size: 0, parts: 0 };
    return this.arrived.size * part - (this.arrived.has(parts) ? parts * part - this.size : 0);
  }

  /** Whether it may start: the name of subtitles depends on the name that their video gets. */
  get isReady(): boolean {
    return this.state === "waiting" && !this.medium?.isUnnamed;
  }

  private get isUnnamed(): boolean {
    return !this.view && !this.isOff && (this.goesOn || this.state === "paused" || this.state === "held");
  }

  /** The requested name. */
  private get wanted(): string {
    const { medium, name } = this;
    const key = medium?.view?.key;
    return key === undefined ? name : titleOf(key) + name.slice(titleOf(medium!.name).length);
  }

  get secondsLeft(): number | null {
    const speed = this.speed.value;
    return this.state === "sending" && speed ? (this.size - this.bytes) / speed : null;
  }

  /** The name of the object, if it differs from the file's name. */
  get otherName(): string | null {
    const name = this.view?.key.split("/").at(-1);
    return name === undefined || name === this.name.normalize() ? null : name;
  }

  isOf(file: File): boolean {
    return this.fingerprint === fingerprint(file);
  }

  // actions

  /** Starts, or resumes with the missing parts. */
  start(): void {
    this.stop = new AbortController();
    this.become("starting");
    void this.run(this.stop.signal);
  }

  pause(): void {
    this.halt("paused");
  }

  /** Pauses until the next sign-in. */
  hold(): void {
    if (this.goesOn || this.state === "elsewhere") this.halt("held");
  }

  /** Resumes from any state, with a file if it was lost. */
  goOn(file: File | null = this.file, handle: FileHandle | null = this.handle): void {
    if (!file) return;
    this.file = file;
    this.handle = handle;
    this.problem = null;
    this.become("waiting");
  }

  /** The user chose another file than this one's. */
  isAnother(): void {
    const [title, hint] = [texts.uploads.otherFile(this.name), texts.uploads.otherFileHint];
    this.hear(localProblem("other_file", { title, hint, status: 422 }));
  }

  signedIn(): void {
    if (this.state === "held") this.goOn();
    else if (this.state === "checking") void this.judged();
  }

  refuse(problem: Problem): void {
    this.problem = problem;
    if (this.state === "waiting") this.become("starting");
    this.become("refused");
  }

  /** Cancels: removes the parts of an open upload, or an object that is not a video. Throws ApiError. */
  async cancel(): Promise<void> {
    this.stop.abort();
    await this.beginning?.catch(() => null);
    this.isOff = true;
    if (this.state === "elsewhere") return; // the other tab owns it
    try {
      if (this.view && !["done", "checking"].includes(this.state)) await this.removed(this.view);
    } catch (error) {
      this.isOff = false;
      if (this.goesOn) this.become("paused"); // it is stopped, and the store still has it
      throw error;
    }
    this.leave();
  }

  /** Removes it from the list; the object stays. */
  dismiss(): void {
    this.stop.abort();
    this.isOff = true;
    if (this.state !== "done") this.leave(); // a finished upload has left already
  }

  /** Releases its lock and forgets the upload. */
  private leave(): void {
    this.release?.();
    this.release = null;
    if (this.id) forget(this.id);
  }

  private async removed(view: UploadView): Promise<void> {
    try {
      await uploadsApi.remove(view.id);
    } catch (error) {
      if (problemOf(error).code !== "upload_not_found") throw error;
    }
    if (this.state === "bad") tell(REMOVED, view);
  }

  // transfer

  private async run(signal: AbortSignal): Promise<void> {
    try {
      for (let beginning = 1; ; beginning += 1) {
        try {
          await this.through(signal);
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (!isGone(error) || beginning === BEGINNINGS) throw error;
          this.leave(); // the store or the service has removed its parts: start again
          this.view = null;
          if (this.state !== "starting") this.become("starting");
        }
      }
    } catch (error) {
      if (!signal.aborted) this.ended(error);
    } finally {
      this.parts = null;
    }
  }

  private async through(signal: AbortSignal): Promise<void> {
    const known = this.view;
    const view = known ? await this.patiently(() => uploadsApi.view(known.id), signal) : await this.begun(signal);
    this.knows(view);
    if (view.state === "complete") return this.landed(view);
    if (!(await this.locked(view.id))) return this.become("elsewhere");
    do {
      this.become("sending");
      await this.sent(this.view ?? view, signal);
      this.become("completing");
    } while (!(await this.completed(view.id, signal)));
  }

  private async begun(signal: AbortSignal): Promise<UploadView> {
    const { name, size, folder, fingerprint } = this;
    const wish = { name: this.wanted, size, folder, fingerprint, type: this.file?.type ?? "" };
    const begin = async () => {
      const view = await uploadsApi.begin(wish);
      this.knows(view); // also if it was paused or cancelled in the meantime
      remember(view.id, name);
      if (this.handle) void keepHandle(view.id, this.handle).catch(() => null); // without it, the user chooses the file again
      return view;
    };
    return this.patiently(() => (this.beginning = begin()), signal);
  }

  private async locked(id: string): Promise<boolean> {
    this.release ??= await take(id);
    return this.release !== null;
  }

  private async sent(view: UploadView, signal: AbortSignal): Promise<void> {
    if (!this.file) throw new Unreadable();
    const events = {
      progress: () => this.progressed(),
      trouble: (problem: Problem | null) => this.hear(problem),
    };
    this.speed.reset();
    this.parts = new Parts(view, this.file, this.arrived, events);
    await this.parts.send(signal);
  }

  /** False if parts are missing. */
  private async completed(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.patiently(() => uploadsApi.complete(id), signal);
    } catch (error) {
      if (problemOf(error).code !== "upload_incomplete") throw error;
      this.knows(await this.patiently(() => uploadsApi.view(id), signal));
      return false;
    }
    this.landed(await this.patiently(() => uploadsApi.view(id), signal));
    return true;
  }

  private landed(view: UploadView): void {
    this.view = view;
    remember(view.id, this.name); // until the verdict is known
    this.become("checking");
    this.release?.();
    this.release = null;
    this.file = null;
    tell(UPLOADED, view);
    void this.judged();
  }

  /** Polls until the verdict is known. Subtitles have none. */
  private async judged(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      for (let look = 0; this.view && this.state === "checking"; look += 1) {
        this.verdict = this.view.verdict;
        if (this.verdict || !this.view.watch || look === LOOKS) return this.settle();
        await pause(look < FIRST_LOOKS ? 1000 : 5000, this.stop.signal);
        this.view = await this.patiently(() => uploadsApi.view(this.view?.id ?? ""), this.stop.signal);
      }
    } catch {
      // removed from the list, or signed out: the polling starts again after the next sign-in
    } finally {
      this.isLooking = false;
    }
  }

  private settle(): void {
    this.become(this.verdict && !this.verdict.ok ? "bad" : "done");
    if (this.state === "done") this.leave();
  }

  private ended(error: unknown): void {
    if (error instanceof Unreadable) {
      [this.file, this.handle] = [null, null];
      return this.become("interrupted");
    }
    const { title, hint } = texts.uploads.forgotten;
    const forgotten = localProblem("upload_not_found", { title, hint, status: 404 });
    this.problem = error instanceof Gone ? forgotten : problemOf(error);
    this.become(this.view ? "failed" : "refused");
  }

  // helpers

  private knows(view: UploadView): void {
    this.view = view;
    this.arrived = new Set(view.arrived);
  }

  private patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return patiently(ask, signal, { trouble: (problem) => this.hear(problem) });
  }

  private hear(trouble: Problem | null): void {
    if (this.trouble?.title === trouble?.title) return;
    this.trouble = trouble;
    this.changed(this, this.state);
  }

  private progressed(): void {
    this.speed.mark(this.bytes);
    this.changed(this, this.state);
  }

  private halt(state: "paused" | "held"): void {
    this.stop.abort();
    this.become(state);
  }

  private become(state: State): void {
    const before = this.state;
    if (!mayFollow(before, state)) throw new Error(`no way from ${before} to ${state}`);
    this.state = state;
    this.trouble = null;
    this.changed(this, before);
    if (state === "elsewhere") void this.takenLater();
  }

  /** Resumes once the other tab has finished or closed. */
  private async takenLater(): Promise<void> {
    try {
      this.release = await takeLater(this.id ?? "", this.stop.signal);
      this.become("waiting");
    } catch {
      // removed from the list, or held: the lock is requested again when it resumes
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Gone || (error instanceof ApiError && error.problem.code === "upload_not_found");
}

function tell(kind: string, { bucket, key }: UploadView): void {
  window.dispatchEvent(new CustomEvent(kind, { detail: { bucket, key } }));
}
