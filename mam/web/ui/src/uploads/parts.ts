/** Sends the parts of one file to the store, several at a time. */
import { ApiError, localProblem, problemOf } from "../shared/api.js";
import type { Problem, UploadView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { uploadsApi } from "./api.js";
import { patience } from "./pace.js";
import { NotSent, put } from "./sending.js";

const PARTS_AT_ONCE = 3;
const URLS_AT_ONCE = 12; // Few enough that the last URL is used long before it expires, on a slow connection too.
const FRESH_MS = 40 * 60_000; // URLs are valid for an hour. A refused URL is requested again.
const REFUSALS = 3; // A part is given up after this many refusals, each with a new URL.

/** The store has lost the upload. */
export class Gone extends Error {}

/** The file was moved or changed after it was chosen. */
export class Unreadable extends Error {}

/** Events of an upload. `trouble`: a temporary problem, null once it is over. */
interface UploadEvents {
  progress(): void;
  trouble(problem: Problem | null): void;
}

/** One attempt to send the missing parts of an upload. */
export class Parts {
  private readonly urls = new Map<number, { url: string; at: number }>();
  private readonly sent = new Map<number, number>(); // bytes of parts that are being sent
  private readonly stop = new AbortController();
  private asking: Promise<void> | null = null;

  /** `arrived`: parts that the store has; grows. */
  constructor(
    private readonly view: UploadView,
    private readonly file: File,
    private readonly arrived: Set<number>,
    private readonly events: UploadEvents,
  ) {}

  /** Bytes of the file that the store has or that are being sent. */
  get bytes(): number {
    let bytes = 0;
    for (const number of this.arrived) bytes += this.range(number).length;
    for (const [number, sent] of this.sent) if (!this.arrived.has(number)) bytes += sent;
    return bytes;
  }

  /** Sends all missing parts. Throws Gone, Unreadable, ApiError, the signal's reason. */
  async send(signal: AbortSignal): Promise<void> {
    const stop = () => this.stop.abort(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, () => this.lane()));
    } catch (error) {
      this.stop.abort(error); // ends the other senders
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  private async lane(): Promise<void> {
    for (let number = this.next(); number !== undefined; number = this.next()) {
      this.sent.set(number, 0);
      try {
        await this.part(number);
      } finally {
        this.sent.delete(number);
      }
    }
  }

  /** Parts are sent roughly in order: some stores write the file in order and wait for a missing part. */
  private next(): number | undefined {
    return this.missing().find((number) => !this.sent.has(number));
  }

  private missing(): number[] {
    return Array.from({ length: this.view.parts }, (_, index) => index + 1).filter((number) => !this.arrived.has(number));
  }

  private range(number: number): { from: number; length: number } {
    const from = (number - 1) * this.view.part_size;
    return { from, length: Math.min(this.view.part_size, this.view.size - from) };
  }

  private async part(number: number): Promise<void> {
    const { from, length } = this.range(number);
    const piece = this.file.slice(from, from + length);
    let refusals = 0;
    for (let attempt = 0; ; attempt += 1) {
      const url = await this.url(number);
      try {
        await put(url, piece, this.stop.signal, (bytes) => this.heard(number, bytes));
        this.arrived.add(number);
        this.events.trouble(null);
        return;
      } catch (error) {
        this.stop.signal.throwIfAborted();
        if (!(error instanceof NotSent)) throw error;
        this.heard(number, 0);
        this.urls.delete(number);
        if (error.status === 404) throw new Gone();
        const isRefused = error.status >= 400 && error.status < 500 && error.status !== 429;
        if (isRefused && (refusals += 1) >= REFUSALS) throw new ApiError(refusal(error));
        if (isRefused && refusals === 1) continue; // its URL has probably expired
        await checkReadable(piece);
        this.events.trouble(unanswered(error, attempt));
        await patience(attempt, this.stop.signal);
      }
    }
  }

  private heard(number: number, bytes: number): void {
    this.sent.set(number, bytes);
    this.events.progress();
  }

  private async url(number: number): Promise<string> {
    for (;;) {
      this.stop.signal.throwIfAborted();
      const known = this.urls.get(number);
      if (known && known.at > Date.now() - FRESH_MS) return known.url;
      this.asking ??= this.ask(number).finally(() => (this.asking = null));
      await this.asking;
    }
  }

  private async ask(first: number): Promise<void> {
    const wanted = this.missing().filter((number) => number >= first && !this.urls.has(number));
    const numbers = [first, ...wanted.filter((number) => number !== first)].slice(0, URLS_AT_ONCE);
    const { urls } = await patiently(() => uploadsApi.urls(this.view.id, numbers), this.stop.signal, this.events);
    for (const [number, url] of Object.entries(urls)) this.urls.set(Number(number), { url, at: Date.now() });
  }
}

/** Repeats a request until the service answers. Throws ApiError, the signal's reason. */
export async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal, events: Pick<UploadEvents, "trouble">): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await ask();
      signal.throwIfAborted();
      events.trouble(null);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      const problem = problemOf(error);
      const passes = error instanceof ApiError && (problem.status === 0 || problem.status >= 500 || problem.status === 429);
      if (!passes) throw error;
      events.trouble(problem);
      await patience(attempt, signal);
    }
  }
}

/** A browser reports a lost network and a missing file alike. Throws Unreadable. */
async function checkReadable(piece: Blob): Promise<void> {
  try {
    await piece.slice(0, 1).arrayBuffer();
  } catch {
    throw new Unreadable();
  }
}

function unanswered(error: NotSent, attempt: number): Problem {
  const isOffline = error.status === 0 && !navigator.onLine;
  const { offline, storeSilent, storeBusy } = texts.uploads.trouble;
  const [title, hint] = isOffline || (attempt < 2 && error.status === 0) ? offline : error.status ? storeBusy : storeSilent;
  return localProblem("store_silent", { title, hint, status: error.status });
}

function refusal(error: NotSent): Problem {
  const { title, hint } = texts.uploads.storeRefused;
  const detail = error.message ? `${title} ${error.message}` : title;
  return localProblem("store_refused", { title, detail, hint, status: error.status });
}
