/** A bar with the progress of each part of a job, updated while the job runs. */
import { html, nothing, svg } from "lit";
import { call } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { hasEnded } from "../shared/events.js";
import type { BriefJobView, ChunksView } from "../shared/types.js";
import { texts } from "../texts/index.js";

const t = texts.jobsPage;
const PAUSE = 1000; // Milliseconds between two requests.
const QUIET_PAUSE = 5000; // Milliseconds, while a running job sends no events.

type Range = readonly [from: number, to: number];

class JobChunks extends Element {
  static override properties = { job: {}, chunks: { state: true } };
  declare job: BriefJobView;
  declare chunks: ChunksView | null;
  private timer = 0;
  private asked = 0;
  private asking: AbortController | null = null;

  constructor() {
    super();
    this.chunks = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.asked = -PAUSE;
    this.cleanUp(() => {
      clearTimeout(this.timer);
      this.asking?.abort();
      this.asking = null;
    });
    if (this.job) this.ask();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("job")) this.ask();
  }

  /** Requests the chunks soon, at most once a second. A change during a request leads to another one. */
  private ask(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), Math.max(this.asked + PAUSE - performance.now(), 0));
  }

  private async load(): Promise<void> {
    if (this.asking) return this.ask();
    const { id, updated_at } = this.job;
    this.asking = new AbortController();
    this.asked = performance.now();
    try {
      this.chunks = await call<ChunksView>("GET", `/api/jobs/${id}/chunks`, undefined, this.asking.signal);
    } catch {
      // The page shows the failure; the bar stays as it is.
    }
    this.asking = null;
    if (!this.isConnected) return;
    if (this.job.updated_at !== updated_at) this.ask();
    else if (!hasEnded(this.job)) this.timer = window.setTimeout(() => void this.load(), QUIET_PAUSE);
  }

  protected override render() {
    const { chunks } = this;
    if (!chunks?.segments) return nothing;
    const running = chunks.chunks.filter(({ state }) => state === "running");
    const made = chunks.chunks.reduce((sum, chunk) => sum + chunk.made, 0);
    return html`<figure class="chunks">
      <svg viewBox="0 0 ${chunks.duration} 1" preserveAspectRatio="none" role="img" aria-label=${t.chunks} aria-describedby="chunks-text">
        ${svg`<path class="is-running" d=${path(running.map(({ start, end }) => [start, end]))}></path>
          <path class="is-made" d=${path(chunks.made)}></path>`}
      </svg>
      <figcaption><span id="chunks-text" class="number">${t.segments(made, chunks.segments, running.length)}</span>
        <span class="legend" aria-hidden="true">${(["made", "running", "waiting"] as const).map(
          (state) => html`<span class="is-${state}">${t.legend[state]}</span>`,
        )}</span></figcaption>
    </figure>`;
  }
}

/** All ranges as one path: thousands of them are as cheap as one. */
function path(ranges: readonly Range[]): string {
  return ranges.map(([from, to]) => `M${from} 0H${to}V1H${from}z`).join("");
}
customElements.define("mam-job-chunks", JobChunks);
