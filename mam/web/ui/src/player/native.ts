/** The engine for browsers that only play HLS themselves. */
import { ApiError, unplayable } from "../shared/api.js";
import { texts } from "../texts/index.js";
import type { Engine, EngineEvents, Facts } from "./engine.js";
import { freshPlaylist, playlist, PlaylistError } from "./prefetch.js";
import { signedUntil } from "./signatures.js";
import type { Waiting } from "./waiting.js";

export class Native implements Engine {
  private hasBegun = false;
  private renewals = 0;
  private readonly onError = () => void this.recover();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    startAt: number | null,
    private readonly events: EngineEvents,
  ) {
    video.addEventListener("error", this.onError);
    video.addEventListener("playing", () => ((this.hasBegun = true), (this.renewals = 0)));
    void this.begin(startAt);
  }

  /** The browser gives no reason when a playlist fails: the page requests it first. */
  private async begin(startAt: number | null): Promise<void> {
    try {
      const { text } = await playlist(this.url);
      const until = signedUntil(text);
      if (until) this.events.signed(until);
      this.load(startAt);
    } catch (error) {
      this.fail(error);
    }
  }

  private load(startAt: number | null): void {
    this.video.src = this.url;
    if (startAt) this.video.addEventListener("loadedmetadata", () => (this.video.currentTime = startAt), { once: true });
  }

  /** The signatures may have expired: loads the playlist again, at the same position. */
  private async recover(): Promise<void> {
    const { currentTime, paused } = this.video;
    try {
      await freshPlaylist(this.url);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.hasBegun || ++this.renewals > 1) {
      this.events.failed(unplayable(this.video.error?.message ?? ""), null);
      return;
    }
    this.events.renewed();
    this.load(currentTime);
    if (!paused) void this.video.play().catch(() => undefined);
  }

  private fail(error: unknown): void {
    const problem = error instanceof ApiError ? error.problem : unplayable(String(error));
    this.events.failed(problem, error instanceof PlaylistError ? error.retryAfter : null);
  }

  facts(): Facts {
    return { engine: texts.player.facts.native, codecs: "", bitrate: null, bandwidth: null, origin: null, quality: null };
  }

  /** The browser does not report its download speed. */
  waiting(): Waiting {
    return { for: this.video.src ? "segment" : "playlist", isMade: false, needed: null, measured: null };
  }

  destroy(): void {
    this.video.removeEventListener("error", this.onError);
    this.video.removeAttribute("src");
    this.video.load();
  }
}
