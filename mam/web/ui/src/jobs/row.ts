/** A job in the list: a line on a desktop, a card on a phone. It opens to its details. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { quotePath } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { hasEnded } from "../shared/events.js";
import { ago, dateTime, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { session } from "../shared/session.js";
import type { BriefJobView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { progressBar } from "./progress.js";
import { folderOf, nameOf, took } from "./store.js";
import "./details.js";

const t = texts.jobsPage;
const BADGES = { running: "is-busy", queued: "", succeeded: "is-good", failed: "is-bad", cancelled: "" };

/** Actions of a row, which the page performs. */
export interface RowActions {
  toggle(job: BriefJobView): void;
  cancel(job: BriefJobView): void;
  retry(job: BriefJobView): void;
  prioritise(job: BriefJobView, priority: string): void;
}

class JobRow extends Element {
  static override properties = { job: {}, open: {}, now: {} };
  declare job: BriefJobView;
  declare open: boolean;
  declare now: number; // Unix seconds
  declare actions: RowActions;
  private hadFocus = false;

  protected override willUpdate(): void {
    this.hadFocus = this.contains(document.activeElement);
  }

  protected override updated(): void {
    // A button with the focus may disappear when the job's state changes.
    if (this.hadFocus && !this.contains(document.activeElement)) this.querySelector<HTMLElement>(".job-toggle")?.focus();
  }

  protected override render() {
    const { job, open } = this;
    const title = nameOf(job);
    const details = `job-${job.id}`;
    const shown = isIdle(job) ? "queued" : job.state; // it has started, and waits for a worker again
    return html`<div class="job ${open ? "is-open" : ""}">
        <div class="job-name">
          <button class="job-toggle" aria-expanded=${open ? "true" : "false"} aria-controls=${details}
            @click=${() => this.actions.toggle(job)}>${icon("down")}<span>${title}</span></button>
          <span class="job-folder quiet">${folderOf(job)}</span>
        </div>
        <span class="badge ${BADGES[shown]}">${t.states[shown]}</span>
        <div class="job-progress">${this.progress(title)}</div>
        <div class="job-facts quiet">${this.facts()}</div>
        <div class="job-actions">${this.buttons(title)}</div>
      </div>
      ${open ? html`<mam-job-details id=${details} .job=${job}></mam-job-details>` : nothing}`;
  }

  private progress(title: string): TemplateResult {
    const { state, error, progress, started_at, finished_at } = this.job;
    if (state === "failed" && error) {
      if (this.open) return html``; // the details show it
      return html`<span class="job-error"><span class="error">${error.message}</span> <span class="quiet">${error.hint}</span></span>`;
    }
    if (state === "succeeded") {
      const text = finished_at !== null && started_at !== null ? t.took(took(finished_at - started_at)) : "";
      return html`<span class="quiet">${text}</span>`;
    }
    if (state === "cancelled") {
      return html`<span class="quiet">${started_at === null ? t.neverBegun : t.cancelledAt(progress.percent)}</span>`;
    }
    if (state === "queued") {
      const position = progress.queue_position;
      return html`<span class="quiet">${position === null ? "" : position === 1 ? t.next : t.position(position)}</span>`;
    }
    return progress.segments_total === null ? html`<span class="quiet">${t.looking} …</span>` : this.bar(title);
  }

  private bar(title: string): TemplateResult {
    const { percent, speed, eta_seconds } = this.job.progress;
    const waits = isIdle(this.job);
    return html`${progressBar(t.progress(title), percent)}
      <span class="job-numbers number"><strong>${t.percent(percent)}</strong>
        ${waits ? html`<span>${t.waits}</span>` : nothing}
        ${speed === null || waits ? nothing : html`<span title=${t.speedTitle}>${t.speed(speed)}</span>`}
        ${eta_seconds === null || waits ? nothing : html`<span>${t.left(duration(eta_seconds))}</span>`}</span>`;
  }

  private facts(): TemplateResult {
    const { job, now } = this;
    const workers = [...new Set(job.running.map(({ worker }) => worker.split(":")[0]!))];
    const moment = job.finished_at ?? job.created_at;
    const made = job.renditions.filter(({ state }) => state === "made").length;
    return html`${job.renditions.length ? html`<span>${texts.qualities(made, job.renditions.length)}</span>` : nothing}
      ${workers.length ? html`<span title=${workers.join(", ")}>${t.workers(workers)}</span>` : nothing}
      ${job.attempts > 1 ? html`<span class="job-attempts">${t.attempts(job.attempts)}</span>` : nothing}
      <time datetime=${new Date(1000 * moment).toISOString()} title=${dateTime(moment)}>${ago(Math.min(moment, now), now)}</time>`;
  }

  private buttons(title: string): TemplateResult {
    const { job, actions } = this;
    const mayChange = session.may("convert");
    const button = (name: "close" | "convert", label: string, act: () => void) =>
      html`<button class="icon-button" aria-label=${label} title=${label} @click=${act}>${icon(name)}</button>`;
    return html`${isWatchable(job)
        ? html`<a class="icon-button" href=${`/watch/${encodeURIComponent(job.asset_bucket)}/${quotePath(job.asset_object)}`}
            aria-label=${t.watch(title)} title=${t.watch(title)}>${icon("play")}</a>`
        : nothing}
      ${hasEnded(job) || !mayChange ? nothing : this.priority(title)}
      ${hasEnded(job) || !mayChange ? nothing : button("close", t.cancel(title), () => actions.cancel(job))}
      ${mayChange && (job.state === "failed" || job.state === "cancelled")
        ? button("convert", t.retry(title), () => actions.retry(job))
        : nothing}`;
  }

  private priority(title: string): TemplateResult {
    const { job } = this;
    const change = (event: Event) => this.actions.prioritise(job, (event.target as HTMLSelectElement).value);
    return html`<select class="job-priority" aria-label=${t.priority(title)} .value=${live(job.priority)} @change=${change}>
      ${Object.entries(t.priorities).map(([value, text]) => html`<option value=${value} ?selected=${value === job.priority}>${text}</option>`)}
    </select>`;
  }
}

/** Whether the job has started and no worker processes it. */
function isIdle({ state, running, progress }: BriefJobView): boolean {
  return state === "running" && !running.length && progress.segments_total !== null;
}

function isWatchable(job: BriefJobView): boolean {
  return job.playable && job.state !== "failed" && job.state !== "cancelled";
}
customElements.define("mam-job-row", JobRow);
