/** The engine with hls.js. */
import Hls, { type ErrorData, type Fragment, type HlsConfig, type LoaderResponse, type LoadPolicy, type RetryConfig } from "hls.js";
import { ApiError, unplayable, unreachable } from "../shared/api.js";
import type { Problem } from "../shared/types.js";
import type { Engine, EngineEvents, Facts, Quality } from "./engine.js";
import { fasterStart, knownRate, Line } from "./line.js";
import type { Lists } from "./lists.js";
import { type LoaderEvents, playlistLoader, segmentLoader } from "./loaders.js";
import { PlaylistError, problemIn } from "./prefetch.js";
import { Addresses, signedUntil } from "./signatures.js";
import { offerTracks } from "./tracks.js";
import type { Waiting } from "./waiting.js";

const WAIT_MS = 45_000; // Far longer than the service waits for a segment before it asks for another request.
const WHOLE_MS = 120_000;
const AWAY = [0, 429, 502, 503, 504]; // Temporary failures: no network, or the service asks to wait.
const RECOVERIES = 3; // Recoveries of the decoder in a minute.
const FIRST_AT_MOST = 12_000_000; // bits per second: the peak of a copied picture that is listed first
const UP_FACTOR = 0.85; // The peak of a better quality takes at most this part of the line; hls.js expects playlists without peaks.
const RATES = 20; // Bitrates are averaged over this many segments.
const LATENCY_MS = 100; // A segment that exists begins to come within about this time; the rest of a wait is its making.
const LOOK_MS = 100; // The first segment is looked at this often.

const RETRY: RetryConfig = { maxNumRetry: 6, retryDelayMs: 500, maxRetryDelayMs: 5000, backoff: "exponential", shouldRetry };
const SEGMENTS: LoadPolicy = {
  default: { maxTimeToFirstByteMs: WAIT_MS, maxLoadTimeMs: WHOLE_MS, timeoutRetry: RETRY, errorRetry: RETRY },
};
const PLAYLISTS: LoadPolicy = {
  default: { maxTimeToFirstByteMs: WHOLE_MS, maxLoadTimeMs: WHOLE_MS, timeoutRetry: null, errorRetry: null },
};

/** A lost connection is retried without end: a viewer waits rather than sees an error. */
function shouldRetry(
  _: RetryConfig | null | undefined, __: number, isTimeout: boolean, response: LoaderResponse | undefined, retry: boolean,
): boolean {
  return isTimeout || (response ? AWAY.includes(response.code ?? 0) || retry : retry);
}

/** What hls.js assumes of the line before it has measured it: its rate of lately, or what the browser says of a slow one,
 * else enough for the quality that is listed first. Of other lines a browser only guesses. */
function startEstimate(): Partial<HlsConfig> {
  const known = knownRate();
  if (known) return { abrEwmaDefaultEstimate: known };
  const { effectiveType = "4g", downlink } = navigator.connection ?? {};
  return effectiveType !== "4g" && downlink ? { abrEwmaDefaultEstimate: downlink * 1_000_000 } : { abrEwmaDefaultEstimateMax: FIRST_AT_MOST };
}

/** Whether a segment or the playlist of a rendition cannot be loaded, at its current URL neither: another stream may have
 * taken the place of this one. hls.js would retry for half a minute. */
function isRefused({ details, frag, response }: ErrorData): boolean {
  const code = response?.code ?? 0;
  const { FRAG_LOAD_ERROR, LEVEL_LOAD_ERROR, AUDIO_TRACK_LOAD_ERROR } = Hls.ErrorDetails;
  const isNeeded = details === FRAG_LOAD_ERROR ? frag?.type !== "subtitle" : details === LEVEL_LOAD_ERROR || details === AUDIO_TRACK_LOAD_ERROR;
  return isNeeded && code >= 400 && code < 500 && !AWAY.includes(code);
}

export class Streaming implements Engine, LoaderEvents {
  private readonly hls: Hls;
  private readonly addresses: Addresses;
  private readonly recoveries: number[] = [];
  private why: unknown = null; // why the last playlist was refused
  private readonly codecs = new Map<string, string>(); // by buffer
  private hasPlaylist = false;
  private loading: Fragment | null = null; // of the video, or of the audio if there is no video
  private origin: Facts["origin"] = null;
  private rates: number[] = []; // bits per second
  private switches = -1; // the first choice is none
  private readonly line = new Line();
  private looking: number | undefined; // the timer while the first segment loads

  constructor(
    private readonly video: HTMLVideoElement,
    url: string,
    private readonly startAt: number | null,
    private readonly events: EngineEvents,
    lists: Lists,
  ) {
    this.addresses = new Addresses((text) => this.playlist(text));
    this.hls = new Hls(this.config(startAt));
    offerTracks(this.hls, video, lists);
    this.hls.on(Hls.Events.ERROR, (_, error) => this.onError(error));
    this.hls.on(Hls.Events.FRAG_LOADING, (_, { frag }) => {
      if (frag.type === "main") this.loading = frag;
    });
    this.looking = window.setInterval(() => this.lookAtStart(), LOOK_MS);
    this.hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
      events.lost(false);
      const { loaded, loading } = frag.stats;
      this.line.loaded(loaded, (loading.end - loading.first) / 1000);
      // The wait for a segment in the making says nothing of the line, but hls.js would take it for a slow one: the first
      // byte comes when the segment is whole. That hls.js expects waits for others is right, and already noted.
      loading.start = Math.max(loading.start, loading.first - LATENCY_MS);
      if (frag.type !== "main") return;
      clearInterval(this.looking);
      this.rates = [...this.rates, (8 * frag.stats.total) / frag.duration].slice(-RATES);
    });
    this.hls.on(Hls.Events.LEVEL_SWITCHED, () => (this.switches += 1));
    this.hls.on(Hls.Events.BUFFER_CODECS, (_, tracks) => {
      for (const [buffer, track] of Object.entries(tracks)) if (track?.codec) this.codecs.set(buffer, track.codec);
    });
    this.hls.attachMedia(video);
    this.hls.loadSource(url);
  }

  private config(startAt: number | null): Partial<HlsConfig> {
    return {
      workerPath: HLS_WORKER, // a file: the page's policy allows no script from a blob
      startPosition: startAt ?? -1,
      startFragPrefetch: true,
      capLevelToPlayerSize: false, // a smaller picture may have to be made first
      ...startEstimate(),
      abrBandWidthUpFactor: UP_FACTOR,
      maxBufferLength: 30,
      maxMaxBufferLength: 120,
      backBufferLength: 90,
      fragLoadPolicy: SEGMENTS,
      manifestLoadPolicy: PLAYLISTS,
      playlistLoadPolicy: { default: { ...PLAYLISTS.default, errorRetry: RETRY } },
      pLoader: playlistLoader(this),
      fLoader: segmentLoader(this.addresses, this),
    };
  }

  /** Begins with a lower quality where that is sooner there than the first segment. */
  private lookAtStart(): void {
    const { levels, autoLevelEnabled } = this.hls;
    const { stats, duration, level } = this.loading ?? {};
    if (!stats?.loading.first || !stats.total || !duration || level === undefined || !autoLevelEnabled) return;
    const seconds = (performance.now() - stats.loading.first) / 1000;
    const lower = fasterStart(
      { loaded: stats.loaded, total: stats.total, seconds, length: duration },
      levels.map(({ averageBitrate }) => averageBitrate),
      level,
    );
    if (lower === null) return;
    clearInterval(this.looking);
    this.hls.stopLoad();
    this.hls.bandwidthEstimate = (8 * stats.loaded) / seconds;
    this.hls.firstLevel = this.hls.nextAutoLevel = this.hls.nextLoadLevel = lower; // also where none is quick enough for hls.js
    this.hls.startLoad(this.video.currentTime || (this.startAt ?? -1)); // the viewer may have sought meanwhile
  }

  // events of the loaders

  playlist(text: string): void {
    this.why = null;
    this.hasPlaylist = true;
    const until = signedUntil(text);
    if (until) this.events.signed(until);
  }

  refused(error: unknown): void {
    this.why = error;
  }

  segment(url: string): void {
    this.origin = new URL(url).origin === location.origin ? "made" : "stored"; // the store has an address of its own
  }

  renewed(): void {
    this.events.renewed();
  }

  // errors

  private onError(error: ErrorData): void {
    if (isRefused(error)) return this.events.failed(this.problemOf(error), null, true);
    if (!error.fatal) {
      if (error.type === Hls.ErrorTypes.NETWORK_ERROR && AWAY.includes(error.response?.code ?? -1)) {
        this.events.lost(error.response?.code === 0);
      }
      return;
    }
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR && this.mayRecover()) {
      this.hls.recoverMediaError();
      return;
    }
    const isNetwork = error.type === Hls.ErrorTypes.NETWORK_ERROR;
    const retryAfter = this.why instanceof PlaylistError ? this.why.retryAfter : null;
    this.events.failed(isNetwork ? this.problemOf(error) : unplayable(error.details), isNetwork ? retryAfter : null);
  }

  private mayRecover(): boolean {
    const now = performance.now();
    this.recoveries.push(now);
    return this.recoveries.filter((at) => now - at < 60_000).length <= RECOVERIES;
  }

  /** The API's problem of the refused playlist or segment. */
  private problemOf(error: ErrorData): Problem {
    if (this.why instanceof ApiError) return this.why.problem;
    const { networkDetails, response } = error;
    const data: unknown = networkDetails instanceof XMLHttpRequest ? networkDetails.response : null;
    const text = data instanceof ArrayBuffer ? new TextDecoder().decode(data) : typeof data === "string" ? data : "";
    return response ? problemIn(text, response.code ?? 0) : unreachable();
  }

  facts(): Facts {
    const level = this.hls.levels[Math.max(this.hls.currentLevel, 0)];
    const measured = this.rates.reduce((sum, rate) => sum + rate, 0) / this.rates.length;
    const bitrate = level?.bitrate || measured || null; // a single rendition has no bitrate in the playlist
    const bandwidth = Number.isFinite(this.hls.bandwidthEstimate) ? this.hls.bandwidthEstimate : null;
    const codecs = [...this.codecs.values()].join(", ");
    return { engine: `hls.js ${Hls.version}`, codecs, bitrate, bandwidth, origin: this.origin, quality: this.quality() };
  }

  private quality(): Quality | null {
    const { levels, currentLevel, autoLevelEnabled } = this.hls;
    if (currentLevel < 0) return null;
    const reason = autoLevelEnabled ? "line" : "viewer";
    return { place: levels.length - currentLevel, count: levels.length, reason, switches: this.switches };
  }

  waiting(): Waiting {
    const isMade = this.origin === "made";
    const nothing = { for: this.hasPlaylist ? "segment" : "playlist", isMade, needed: null, measured: null } as const;
    const { stats, duration } = this.loading ?? {};
    if (!stats?.loading.first || !stats.loaded || !duration) return nothing;
    const seconds = ((stats.loading.end || performance.now()) - stats.loading.first) / 1000;
    const needed = stats.total ? (8 * stats.total) / duration : null;
    return { ...nothing, needed, measured: seconds > 0.5 ? (8 * stats.loaded) / seconds : null };
  }

  destroy(): void {
    clearInterval(this.looking);
    this.hls.destroy();
    this.video.removeAttribute("src");
  }
}
