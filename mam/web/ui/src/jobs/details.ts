/** The details of an open job: progress, facts, streams, ffmpeg. */
import { html, nothing, type TemplateResult } from "lit";
import { call, problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { hasEnded } from "../shared/events.js";
import { dateTime, decimal, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { navigate } from "../shared/router.js";
import { session } from "../shared/session.js";
import { copyText, toast, toastError } from "../shared/toasts.js";
import type { BriefJobView, JobView, PlanView, Problem, RenditionView, StreamInfo } from "../shared/types.js";
import { texts } from "../texts/index.js";
import * as jobsApi from "./api.js";
import "./chunks.js";
import { progressBar } from "./progress.js";
import { nameOf, took } from "./store.js";

const t = texts.jobsPage;
const PAUSE = 1000; // Milliseconds between two requests.
const UNCOPYABLE = "not_remuxable"; // This error does not occur when the file is encoded.
const MAKING = { promised: "", making: "is-busy", made: "is-good" };
const ACTIONS: Record<string, string> = { copy: "is-good", encode: "is-busy" };

class JobDetails extends Element {
  static override properties = { job: {}, whole: { state: true }, plan: { state: true }, problem: { state: true } };
  declare job: BriefJobView;
  declare whole: JobView | null; // with streams and ffmpeg, which lists omit; slightly older than `job`
  declare plan: PlanView | null;
  declare problem: Problem | null;

  private isAsking = false;
  private timer = 0;

  constructor() {
    super();
    this.whole = this.plan = null;
    this.problem = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.cleanUp(() => clearTimeout(this.timer));
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("job") && !this.timer) void this.load();
  }

  /** Loads the whole job, now and after each change, at most once per PAUSE. */
  private async load(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const { id, updated_at } = this.job;
    this.whole = await jobsApi.find(id).catch(() => this.whole); // the page shows the failure
    this.isAsking = false;
    if (!this.isConnected) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      if (this.job.id !== id || this.job.updated_at !== updated_at) void this.load();
    }, PAUSE);
  }

  protected override render() {
    const { job } = this;
    return html`<section class="job-details" aria-label=${t.details(nameOf(job))}>
      ${this.faults()}
      <mam-job-chunks .job=${job}></mam-job-chunks>
      ${this.facts()} ${this.ladder()} ${this.streams()} ${this.ffmpeg()}
    </section>`;
  }

  private faults(): TemplateResult {
    const { error, retry_reason: reason, replaced_by, profile } = this.job;
    return html`${error
      ? html`<div class="notice is-bad">${icon("warning")}
          <div><strong>${error.message}</strong><p>${error.hint}</p><p class="job-code">${t.code}: <code>${error.code}</code></p>
          ${error.code === UNCOPYABLE && profile === "source" && session.may("convert")
            ? html`<button class="button" @click=${() => void this.encode()}>${icon("convert")}${t.encode}</button>`
            : nothing}</div></div>`
      : nothing}
    ${reason ? html`<div class="notice">${icon("info")}<div><strong>${t.trouble}</strong><p>${reason}</p></div></div>` : nothing}
    ${replaced_by
      ? html`<div class="notice">${icon("info")}
          <p>${t.replaced} <a href=${`/jobs?job=${replaced_by}`}>${t.replacedLink}</a></p></div>`
      : nothing}`;
  }

  private async encode(): Promise<void> {
    try {
      const answer = await jobsApi.encode(this.job);
      if ("job" in answer) navigate(`/jobs?job=${answer.job}`);
      else toast(t.encodeDone(answer.video));
    } catch (error) {
      toastError(error);
    }
  }

  private facts(): TemplateResult {
    const { job } = this;
    const fact = (name: keyof typeof t.facts, value: unknown) => html`<div><dt>${t.facts[name]}</dt><dd>${value}</dd></div>`;
    const time = (name: keyof typeof t.facts, moment: number | null) => (moment === null ? nothing : fact(name, dateTime(moment)));
    const { started_at, finished_at, running } = job;
    const now = Date.now() / 1000;
    return html`<dl class="facts">
      ${fact("asset", `${job.asset_bucket}/${job.asset_object}`)}
      ${job.profile ? fact("profile", t.profiles[job.profile] ?? job.profile) : nothing}
      ${job.rendition ? fact("rendition", t.rung(job.rendition)) : nothing}
      ${fact("format", t.formats[job.format] ?? job.format)}
      ${job.duration_seconds === null ? nothing : fact("duration", duration(job.duration_seconds))}
      ${time("created", job.created_at)} ${time("started", started_at)} ${time("finished", finished_at)}
      ${started_at !== null && finished_at !== null ? fact("took", took(finished_at - started_at)) : nothing}
      ${job.attempts > 1 ? fact("attempts", decimal(job.attempts)) : nothing}
      ${fact("id", html`<code>${job.id}</code>`)}
      ${running.length
        ? fact("workers", running.map((task) => html`<span class="task">${t.taskOf(t.task(task.name), task.worker, duration(Math.max(now - task.since, 0)))}</span>`))
        : nothing}
    </dl>`;
  }

  /** The renditions of a ladder, with a bar for each one in the making. */
  private ladder(): TemplateResult | typeof nothing {
    const { renditions } = this.job;
    if (!renditions.length) return nothing;
    return html`<h3>${t.ladder}</h3>
      <ul class="streams ladder">${renditions.map(({ name, state, percent }) => html`<li>
        <strong>${name}</strong><span class="badge ${MAKING[state]}">${t.making[state]}</span>
        ${state === "making" ? progressBar(t.progress(name), percent) : nothing}
      </li>`)}</ul>`;
  }

  private streams(): TemplateResult | typeof nothing {
    const streams = this.whole?.streams ?? [];
    if (!streams.length && hasEnded(this.job)) return nothing;
    return html`<h3>${t.streams}</h3>
      ${streams.length
        ? html`<ul class="streams">${streams.map((stream) => this.stream(stream))}</ul> ${this.renditions()}`
        : html`<p class="quiet">${t.noStreams}</p>`}`;
  }

  private stream(stream: StreamInfo): TemplateResult {
    return html`<li>
      <strong>${t.kinds[stream.kind] ?? stream.kind}</strong>
      <span>${described(stream)}</span>
      <span class="badge ${ACTIONS[stream.action] ?? ""}">${t.actions[stream.action] ?? stream.action}</span>
      <span class="quiet">${stream.reason}</span>
    </li>`;
  }

  /** Only the plan has the renditions, and a plan reads the file: it is requested when the viewer opens them. */
  private renditions(): TemplateResult {
    const { plan, problem, job } = this;
    return html`<details class="renditions" @toggle=${(event: Event) => this.opened(event)}>
      <summary>${t.renditions}</summary>
      ${problem ? html`<p class="error" role="alert">${problem.detail} ${problem.hint}</p>` : nothing}
      ${plan && plan.revision !== job.id ? html`<p class="quiet">${t.changedSince}</p>` : nothing}
      ${plan
        ? html`<ul class="streams">${plan.renditions.map(rendition)}</ul>`
        : problem ? nothing : html`<p class="quiet">${texts.loading}</p>`}
    </details>`;
  }

  private async opened(event: Event): Promise<void> {
    if (!(event.target as HTMLDetailsElement).open || this.plan) return;
    const { asset_bucket, asset_object, profile, format, audio_language } = this.job;
    try {
      this.plan = await call<PlanView>("POST", "/api/plan", {
        asset_bucket, asset_object, profile, format, audio_language,
      });
      this.problem = null;
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  private ffmpeg(): TemplateResult | typeof nothing {
    const { command, ffmpeg_log: lines } = this.whole ?? { command: null, ffmpeg_log: [] };
    if (command === null) return nothing;
    return html`<div class="job-command"><h3>${t.command}</h3>
        <button class="button" aria-label=${t.copyCommand} @click=${() => void copyText(command)}>${icon("copy")}${texts.copy}</button></div>
      <pre class="terminal" tabindex="0" role="region" aria-label=${t.command}>${command}</pre>
      <h3>${t.said}</h3>
      ${lines.length
        ? html`<pre class="terminal" tabindex="0" role="region" aria-label=${t.said}>${lines.join("\n")}</pre>`
        : html`<p class="quiet">${t.saidNothing}</p>`}`;
  }
}

/** Codec, size and language of a stream, as far as they are known. */
function described(stream: StreamInfo): string {
  const { width, height, frame_rate: rate, sample_rate: sample, channels } = stream;
  return [
    [stream.codec, stream.profile].filter(Boolean).join(" "),
    width && height && `${width} × ${height}`,
    rate && t.frameRate(rate),
    sample && `${decimal(sample / 1000)} kHz`,
    channels && t.channels(channels),
    stream.language,
    stream.title,
  ].filter(Boolean).join(" · ");
}

function rendition(made: RenditionView): TemplateResult {
  const size = made.width && made.height && `${made.width} × ${made.height}`;
  const about = [size, made.channels && t.channels(made.channels), made.language, made.title, made.codecs].filter(Boolean);
  return html`<li><strong>${t.kinds[made.kind] ?? made.kind}</strong><span>${about.join(" · ")}</span>
    <span class="quiet number">${t.bits(made.average_bandwidth)}</span></li>`;
}
customElements.define("mam-job-details", JobDetails);
