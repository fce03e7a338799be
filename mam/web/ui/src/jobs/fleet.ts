/** The fleet above the jobs: one line, and the reasons if jobs do not progress. */
import { html, nothing, type TemplateResult } from "lit";
import { Element } from "../shared/element.js";
import { duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import type { FleetView, NoteView, WorkerView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import "./sparkline.js";

const jobs = texts.jobsPage;
const t = jobs.fleet;
const CALM = new Set(["all_busy"]); // These notes explain a wait; nothing is wrong.
const DOTS = 24; // Up to this many slots are drawn one by one.

class Fleet extends Element {
  static override properties = { fleet: {}, open: { state: true } };
  declare fleet: FleetView | null;
  declare open: boolean;
  private announced = { codes: "", text: "" };

  constructor() {
    super();
    this.fleet = null;
    this.open = false;
  }

  /** The text for screen readers: once for each problem, even when its numbers change. */
  private announcement(): string {
    const grave = this.fleet?.notes.filter(({ code }) => !CALM.has(code)) ?? [];
    const codes = grave.map(({ code }) => code).join();
    if (codes !== this.announced.codes) {
      this.announced = { codes, text: grave.map(({ message, hint }) => `${message} ${hint}`).join(" ") };
    }
    return this.announced.text;
  }

  protected override render() {
    return html`<div class="visually-hidden" role="status">${this.announcement()}</div>
      <div class="notes">${this.fleet?.notes.filter(({ code }) => !CALM.has(code)).map(note)}</div>
      ${this.fleet ? this.line(this.fleet) : html`<div class="fleet card" aria-hidden="true">&nbsp;</div>`}`;
  }

  private line(fleet: FleetView): TemplateResult {
    const waiting = Object.values(fleet.queues).reduce((sum, length) => sum + length, 0);
    const busy = fleet.workers.reduce((sum, worker) => sum + busySlots(worker), 0);
    return html`<section class="fleet card" aria-label=${t.title}>
      <div class="fleet-line">
        <strong>${fleet.workers.length ? t.workers(fleet.workers.length) : t.none}</strong>
        ${fleet.slots ? html`<span class="slots">${dots(busy, fleet.slots)}${t.slots(busy, fleet.slots)}</span>` : nothing}
        <span>${t.waiting(waiting)}</span>
        <span class="fleet-speed number">${fleet.speed ? t.speed(fleet.speed) : busy || waiting ? nothing : t.idle}<mam-sparkline .value=${fleet.speed}></mam-sparkline></span>
        <button class="icon-button" aria-expanded=${this.open ? "true" : "false"} aria-controls="fleet-details"
          aria-label=${t.more} title=${t.more} @click=${() => (this.open = !this.open)}>${icon("down")}</button>
      </div>
      ${fleet.notes.filter(({ code }) => CALM.has(code)).map(({ message, hint }) => html`<p class="fleet-why quiet">${message} ${hint}</p>`)}
      ${this.open ? this.details(fleet) : nothing}
    </section>`;
  }

  private details(fleet: FleetView): TemplateResult {
    return html`<div id="fleet-details" class="fleet-details">
      <div><h2>${t.workersTitle}</h2>
        ${fleet.workers.length ? html`<ul class="workers">${fleet.workers.map(worker)}</ul>` : html`<p class="quiet">${t.none}</p>`}</div>
      <div><h2>${t.queuesTitle}</h2>
        <dl class="queues">${Object.entries(fleet.queues).map(
          ([name, length]) => html`<div><dt>${name} <span class="quiet">${t.queues[name]}</span></dt>
            <dd class="number">${t.tasks(length)}</dd></div>`,
        )}</dl></div>
    </div>`;
  }
}

function note({ code, message, hint }: NoteView): TemplateResult {
  return html`<div class="notice ${code === "job_troubled" ? "" : "is-bad"}">${icon("warning")}
    <div><strong>${message}</strong><p>${hint}</p></div></div>`;
}

function worker(worker: WorkerView): TemplateResult {
  const now = Date.now() / 1000;
  return html`<li>
    <div><strong>${worker.name}</strong> ${dots(busySlots(worker), worker.slots)}
      <span class="quiet">${t.slots(busySlots(worker), worker.slots)} · ${t.serves(worker.queues)}</span></div>
    ${worker.tasks.length
      ? html`<ul>${worker.tasks.map(
          (task) => html`<li><a href=${`/jobs?job=${task.job}`}>${task.video}</a> ${jobs.task(task.name)}
            <span class="quiet number">${t.since(duration(Math.max(now - task.since, 0)))}</span></li>`,
        )}</ul>`
      : html`<p class="quiet">${t.free}</p>`}
  </li>`;
}

/** For a moment, a worker may hold more tasks than it has slots. */
function busySlots(worker: WorkerView): number {
  return Math.min(worker.tasks.length, worker.slots);
}

function dots(busy: number, slots: number): TemplateResult | typeof nothing {
  if (slots > DOTS) return nothing;
  const each = Array.from({ length: slots }, (_, at) => html`<i class=${at < busy ? "is-busy" : ""}></i>`);
  return html`<span class="dots" aria-hidden="true">${each}</span>`;
}
customElements.define("mam-fleet", Fleet);
