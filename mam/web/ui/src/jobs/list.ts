/** The filters above the jobs, the list itself, and the texts of an empty list. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { decimal } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import type { BriefJobView, JobState } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { addressOf } from "./address.js";
import type { RowActions } from "./row.js";
import "./row.js";
import { type Shown, STATES } from "./store.js";

const t = texts.jobsPage;

export function filters(
  state: JobState | null, counts: Partial<Record<string, number>>, search: string, searched: (text: string) => void,
): TemplateResult {
  const link = (each: JobState | null) => html`<a href=${addressOf({ state: each, open: "" })} aria-current=${each === state ? "true" : nothing}>
    ${t.filters[each ?? "all"]}${each && counts[each] ? html` <span class="number">${decimal(counts[each]!)}</span>` : nothing}</a>`;
  return html`<div class="tools">
    <nav class="filters" aria-label=${t.filters.label}>${link(null)}${STATES.map(link)}</nav>
    <label class="search">${icon("search")}<span class="visually-hidden">${t.search}</span>
      <input type="search" placeholder=${t.search} .value=${search}
        @input=${(event: Event) => searched((event.target as HTMLInputElement).value)} /></label>
  </div>`;
}

interface ListOptions {
  mostGoing: number; // active jobs that are shown
  mostEnded: number;
  open: string; // id of the open job, or ""
  now: number; // Unix seconds
  hasOlder: boolean; // the service has more ended jobs
  actions: RowActions;
  showMore(): void; // active jobs
  showOlder(known: number): void;
  empty(): TemplateResult;
}

export function list({ going, ended }: Shown, options: ListOptions): TemplateResult {
  const first = going.slice(0, options.mostGoing);
  const last = ended.filter(({ id }, at) => at < options.mostEnded || id === options.open);
  const rows = [
    ...(first.length ? [t.going] : []), ...first,
    ...(last.length ? [t.ended] : []), ...last,
  ];
  const rest = going.length - first.length;
  return html`${rows.length
      ? html`<ul class="job-list" aria-label=${t.list}>${repeat(rows, (each) => (typeof each === "string" ? each : each.id), (each) => row(each, options))}</ul>`
      : options.empty()}
    <div class="more">
      ${rest > 0 ? html`<button class="button" @click=${() => options.showMore()}>${t.moreGoing(rest)}</button>` : nothing}
      ${options.hasOlder || last.length < ended.length
        ? html`<button class="button" @click=${() => options.showOlder(ended.length)}>${t.more}</button>`
        : nothing}
    </div>`;
}

function row(row: BriefJobView | string, { actions, now, open }: ListOptions): TemplateResult {
  if (typeof row === "string") return html`<li class="job-heading"><h2>${row}</h2></li>`;
  return html`<li data-job=${row.id}>
    <mam-job-row .actions=${actions} .job=${row} .now=${now} .open=${open === row.id}></mam-job-row>
  </li>`;
}

/** There are no jobs at all. */
export function noJobs(): TemplateResult {
  return html`<div class="empty">${icon("convert")}<h2>${t.empty.title}</h2><p>${t.empty.text}</p>
    <a class="button is-primary" href="/">${t.empty.action}</a></div>`;
}

/** No job is in the state, or none matches the search. */
export function nothingFound(state: JobState | null, search: string): TemplateResult {
  if (search) return html`<div class="empty"><h2>${t.empty.search(search)}</h2><p>${t.empty.searchHint}</p></div>`;
  return html`<div class="empty"><h2>${state ? t.empty.none[state] : t.empty.title}</h2></div>`;
}
