/** Loaders for hls.js: playlists that were requested ahead, and segments whose signatures may have expired. */
import Hls, {
  type FragmentLoaderContext,
  type HlsConfig,
  type Loader,
  type LoaderCallbacks,
  type LoaderConfiguration,
  type LoaderContext,
  type LoaderStats,
  type PlaylistLoaderContext,
} from "hls.js";
import { ApiError } from "../shared/api.js";
import { playlist } from "./prefetch.js";
import type { Addresses } from "./signatures.js";

const REFUSED = [401, 403, 404, 410]; // The URL has expired, or the segment moved when the video went live.
const BaseLoader = Hls.DefaultConfig.loader;

/** Events of the loaders. */
export interface LoaderEvents {
  playlist(text: string): void;
  refused(error: unknown): void; // the reason that there is no playlist
  segment(url: string): void;
  renewed(): void;
}

function noStats(): LoaderStats {
  const times = () => ({ start: 0, first: 0, end: 0 });
  const stats = { aborted: false, loaded: 0, retry: 0, total: 0, chunkCount: 0, bwEstimate: 0 };
  return { ...stats, loading: times(), parsing: { start: 0, end: 0 }, buffering: times() };
}

export function playlistLoader(events: LoaderEvents) {
  return class PlaylistLoader implements Loader<PlaylistLoaderContext> {
    context: PlaylistLoaderContext | null = null;
    stats = noStats();

    load(context: PlaylistLoaderContext, _: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>): void {
      this.context = context;
      this.stats.loading.start = performance.now();
      void this.get(context, callbacks);
    }

    private async get(context: PlaylistLoaderContext, callbacks: LoaderCallbacks<PlaylistLoaderContext>): Promise<void> {
      const { stats } = this;
      try {
        const { url, text } = await playlist(context.url);
        if (stats.aborted) return;
        stats.loading.first = stats.loading.end = performance.now();
        stats.loaded = stats.total = text.length;
        events.playlist(text);
        callbacks.onSuccess({ url, data: text, code: 200 }, stats, context, null);
      } catch (error) {
        if (stats.aborted) return;
        events.refused(error);
        const code = error instanceof ApiError ? error.problem.status : 0;
        callbacks.onError({ code, text: String(error) }, context, null, stats);
      }
    }

    abort(): void {
      this.stats.aborted = true;
    }

    destroy(): void {
      this.abort();
      this.context = null;
    }
  };
}

export function segmentLoader(addresses: Addresses, events: LoaderEvents) {
  return class SegmentLoader implements Loader<FragmentLoaderContext> {
    context: FragmentLoaderContext | null = null;
    stats: LoaderStats;
    private inner: Loader<LoaderContext>;
    private isOver = false;

    constructor(private readonly config: HlsConfig) {
      this.inner = new BaseLoader(config);
      this.stats = this.inner.stats;
    }

    load(context: FragmentLoaderContext, how: LoaderConfiguration, callbacks: LoaderCallbacks<FragmentLoaderContext>): void {
      this.context = context;
      const named = context.url;
      const asked = addresses.of(named);
      this.send(asked, context, how, {
        ...callbacks,
        onError: (error, loaded, details, stats) => {
          const failed = () => this.isOver || callbacks.onError(error, loaded, details, stats);
          if (!REFUSED.includes(error.code)) return void failed();
          this.again(named, asked, context, how, callbacks).then((sent) => sent || failed(), (why: unknown) => {
            events.refused(why);
            failed();
          });
        },
      });
    }

    /** Requests the segment at its current URL, if that has changed. */
    private async again(
      named: string, asked: string, context: FragmentLoaderContext, how: LoaderConfiguration,
      callbacks: LoaderCallbacks<FragmentLoaderContext>,
    ): Promise<boolean> {
      if (addresses.of(named) === asked) await addresses.renew(context.frag.baseurl);
      const fresh = addresses.of(named);
      if (this.isOver || fresh === asked) return this.isOver;
      events.renewed();
      this.inner.destroy();
      this.inner = new BaseLoader(this.config);
      Object.assign(this.stats, noStats()); // hls.js keeps a reference to this object
      this.inner.stats = this.stats;
      this.send(fresh, context, how, callbacks);
      return true;
    }

    private send(
      url: string, context: FragmentLoaderContext, how: LoaderConfiguration,
      callbacks: LoaderCallbacks<FragmentLoaderContext>,
    ): void {
      context.url = url;
      events.segment(url);
      this.inner.load(context, how, callbacks as unknown as LoaderCallbacks<LoaderContext>);
    }

    abort(): void {
      this.isOver = true;
      this.inner.abort();
    }

    destroy(): void {
      this.isOver = true;
      this.inner.destroy();
      this.context = null;
    }

    getCacheAge(): number | null {
      return this.inner.getCacheAge?.() ?? null;
    }

    getResponseHeader(name: string): string | null {
      return this.inner.getResponseHeader?.(name) ?? null;
    }
  };
}
