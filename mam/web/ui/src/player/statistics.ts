/** The statistics, updated once a second while they are shown. */
import { html, type TemplateResult } from "lit";
import { decimal } from "../shared/format.js";
import { texts } from "../texts/index.js";
import type { Engine, Quality } from "./engine.js";

export function statistics(video: HTMLVideoElement, engine: Engine | null, firstFrameMs: number | null): TemplateResult {
  const words = texts.player.facts;
  const facts = engine?.facts();
  const megabits = (bits: number | null | undefined) => (bits ? words.megabits(decimal(bits / 1e6)) : words.unknown);
  const { droppedVideoFrames: dropped, totalVideoFrames: total } = video.getVideoPlaybackQuality();
  const origin = facts?.origin ? words[facts.origin] : words.unknown;
  const rows: [string, string][] = [
    [words.codecs, facts?.codecs || words.unknown],
    [words.resolution, words.frame(video.videoWidth, video.videoHeight, `${video.clientWidth} × ${video.clientHeight}`)],
    [words.quality, quality(facts?.quality ?? null)],
    [words.bitrate, megabits(facts?.bitrate)],
    [words.buffer, words.seconds(decimal(bufferedAhead(video)))],
    [words.dropped, words.droppedOf(dropped, total)],
    [words.bandwidth, megabits(facts?.bandwidth)],
    [words.firstFrame, firstFrameMs === null ? words.unknown : words.milliseconds(decimal(Math.round(firstFrameMs)))],
    [words.origin, origin],
    [words.engine, facts?.engine ?? words.unknown],
  ];
  return html`${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd class="number">${value}</dd></div>`)}`;
}

function quality(shown: Quality | null): string {
  const words = texts.player.facts;
  if (!shown) return words.unknown;
  const { place, count, reason, switches } = shown;
  if (count === 1) return words.one;
  const text = words.ofQualities(place, count, words.chosen[reason]);
  return switches > 0 ? `${text}; ${words.switched(switches)}` : text;
}

/** Seconds in the buffer after the current time. */
function bufferedAhead({ buffered, currentTime }: HTMLVideoElement): number {
  for (let n = 0; n < buffered.length; n += 1) {
    if (buffered.start(n) <= currentTime + 0.1 && currentTime < buffered.end(n)) return buffered.end(n) - currentTime;
  }
  return 0;
}
