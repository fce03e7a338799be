/** The jobs: what the fleet is at, what waits and why, what has become of the rest. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type BriefJob, problemOf, type Problem } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { type FleetView, jobEvents } from "../shared/events.js";
import { decimal, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { MOVED, navigate } from "../shared/router.js";
import { toast, toastError } from "../shared/toasts.js";
import { texts } from "../texts/index.js";
import { Board, nameOf, type Shown, type State, STATES } from "./store.js";
import "./fleet.js";
import type { RowActions } from "./row.js";
import "./row.js";
import * as steering from "./api.js";

const t = texts.jobsPage;
const FRAME = 250; // milliseconds between two pictures of the list, however much happens
const TICK = 10_000; // milliseconds: ages are told anew, and whether the list is whole is looked at
const AGAIN = 5000; // milliseconds after which a list that did not come is asked for again
const MOST_GOING = 100; // jobs under way that are shown until somebody asks for more
const ALL_GOING = 500; // as many as one answer has
const MOST_ENDED = 100; // jobs that have ended that are shown, and as many more each time that somebody asks for older ones
const KEPT_ENDED = 300; // of each way to end, while nobody does
const LOOKED_UP = 50; // jobs that are read by themselves at a time, when nobody told of their end
const FAR_PERCENT = 10; // from here on, and after so many seconds, cancelling asks first
const FAR_SECONDS = 60;

class Jobs extends Element implements RowActions {
  static override properties = {
    state: { state: true },
    open: { state: true },
    search: { state: true },
    now: { state: true },
    isLost: { state: true },
    problem: { state: true },
    isMissing: { state: true },
    asking: { state: true },
    most: { state: true },
    mostEnded: { state: true },
  };
  declare state: State | null; // that is shown; null: all
  declare open: string; // the id of the open job
  declare search: string;
  declare now: number; // Unix seconds
  declare isLost: boolean;
  declare problem: Problem | null; // why the list is not there
  declare isMissing: boolean; // the open job
  declare asking: BriefJob | null; // whether to cancel it
  declare most: number;
  declare mostEnded: number;
  private readonly board = new Board();
  private readonly busy = new Set<string>(); // ids of jobs that something is done with
  private fleet: FleetView | null = null;
  private isLoaded = false;
  private wasOpened = false;
  private isTrimmed = false; // what has ended is known in part: the cursor stands behind what was forgotten
  private cursor: string | null = null;
  private wasUneven = false;
  private toReveal = "";
  private drawn = 0;
  private drawing = 0;
  private retrying = 0;
  private focused: globalThis.Element | null = null;

  constructor() {
    super();
    this.search = "";
    this.now = Date.now() / 1000;
    this.isLost = this.isMissing = false;
    this.problem = this.asking = null;
    this.most = MOST_GOING;
    this.mostEnded = MOST_ENDED;
    this.state = null;
    this.open = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(window, MOVED, () => this.moved());
    this.cleanUp(
      jobEvents.subscribe({
        job: (job) => (this.board.put(job), this.draw()),
        fleet: (fleet) => ((this.fleet = fleet), this.draw()),
        opened: () => this.opened(),
        lost: () => (this.isLost = true),
      }),
    );
    const timer = setInterval(() => this.tick(), TICK);
    this.cleanUp(() => [timer, this.drawing, this.retrying].forEach(clearTimeout));
    this.readAddress();
    void this.load();
  }

  // the address

  private readAddress(): void {
    const query = new URLSearchParams(location.search);
    this.state = STATES.find((state) => state === query.get("state")) ?? null;
    const open = query.get("job") ?? "";
    if (open === this.open) return;
    this.open = open;
    this.isMissing = false;
    if (open) void this.reveal(open);
  }

  private moved(): void {
    if (location.pathname !== "/jobs") return;
    const before = this.state;
    this.readAddress();
    if (this.state === before) return;
    this.mostEnded = MOST_ENDED;
    void this.load();
  }

  private address(state: State | null, open: string): string {
    const query = new URLSearchParams({ ...(state && { state }), ...(open && { job: open }) });
    return query.size ? `/jobs?${query}` : "/jobs";
  }

  /** Shows the job that the address names, be it ever so old. */
  private async reveal(id: string): Promise<void> {
    this.toReveal = id;
    if (!this.board.get(id)) {
      try {
        this.board.put(await steering.find(id));
      } catch (error) {
        this.isMissing = problemOf(error).code !== "unreachable";
      }
    }
    this.requestUpdate();
  }

  // what is known

  private async load(cursor: string | null = null, limit?: number): Promise<void> {
    const { state } = this;
    clearTimeout(this.retrying);
    try {
      const page = await steering.page(state ? [state] : [], cursor, limit);
      for (const job of page.jobs) this.board.put(job);
      if (state !== this.state) return;
      this.cursor = page.next_cursor;
      this.isLoaded = true;
      this.problem = null;
    } catch (error) {
      this.problem = problemOf(error);
      if (this.isConnected) this.retrying = window.setTimeout(() => void this.load(cursor, limit), AGAIN);
    }
    this.requestUpdate();
  }

  /** More of those that have ended. */
  private older(known: number): void {
    this.mostEnded += MOST_ENDED;
    if (this.isTrimmed && this.mostEnded > KEPT_ENDED) {
      this.isTrimmed = false;
      void this.load(null, ALL_GOING);
    } else if (known < this.mostEnded && this.cursor) void this.load(this.cursor);
  }

  /** Anything may have happened since it was open before: a tab that nobody sees closes it too. */
  private opened(): void {
    if (this.wasOpened) void this.load().then(() => this.compare());
    this.wasOpened = true;
    this.isLost = false;
  }

  private tick(): void {
    this.now = Date.now() / 1000;
    const counts = Object.values(this.fleet?.jobs ?? {});
    const isUneven = counts.length > 0 && counts.reduce((sum, count) => sum + count, 0) !== this.board.going();
    if (isUneven && this.wasUneven && !this.isLost) void this.compare();
    this.wasUneven = isUneven;
  }

  /** Learns what became of jobs that are not under way any more, and forgets what the service has: no event tells of that. */
  private async compare(): Promise<void> {
    const page = await steering.page(["queued", "running"], null, ALL_GOING).catch(() => null);
    if (!page) return;
    for (const job of page.jobs) this.board.put(job);
    if (page.next_cursor === null) {
      const gone = this.board.goingBut(new Set(page.jobs.map(({ id }) => id))).slice(0, LOOKED_UP);
      await Promise.all(gone.map((job) => this.lookUp(job)));
    }
    this.draw();
  }

  private async lookUp({ id }: BriefJob): Promise<void> {
    try {
      this.board.put(await steering.find(id));
    } catch (error) {
      if (problemOf(error).status === 404) this.board.forget(id);
    }
  }

  private draw(): void {
    if (this.drawing) return;
    const draw = () => {
      this.drawing = 0;
      this.drawn = performance.now();
      if (this.board.trim(Math.max(KEPT_ENDED, this.mostEnded + MOST_ENDED), this.open)) this.isTrimmed = true;
      this.requestUpdate();
    };
    this.drawing = window.setTimeout(draw, Math.max(this.drawn + FRAME - performance.now(), 0));
  }

  // what people do

  toggle(job: BriefJob): void {
    this.open = this.open === job.id ? "" : job.id;
    this.isMissing = false;
    navigate(this.address(this.state, this.open), { replace: true });
  }

  cancel(job: BriefJob): void {
    const seconds = job.started_at === null ? 0 : Date.now() / 1000 - job.started_at;
    if (job.progress.percent < FAR_PERCENT && seconds < FAR_SECONDS) return void this.cancelNow(job);
    this.asking = job;
    void this.updateComplete.then(() => {
      const dialog = this.querySelector("dialog")!;
      dialog.returnValue = ""; // Escape leaves what the last answer was
      dialog.showModal();
    });
  }

  private cancelNow(job: BriefJob): Promise<void> {
    return this.act(job, () => steering.cancel(job), t.cancelled(nameOf(job)));
  }

  retry(job: BriefJob): void {
    void this.act(job, () => steering.retry(job), t.retried(nameOf(job)));
  }

  prioritise(job: BriefJob, priority: string): void {
    const said = t.prioritised(nameOf(job), t.priorities[priority as BriefJob["priority"]]);
    void this.act(job, () => steering.setPriority(job, priority), said);
  }

  private async act(job: BriefJob, ask: () => Promise<BriefJob>, said: string): Promise<void> {
    if (this.busy.has(job.id)) return;
    this.busy.add(job.id);
    try {
      this.board.put(await ask());
      toast(said);
    } catch (error) {
      toastError(error);
    } finally {
      this.busy.delete(job.id);
    }
    this.requestUpdate();
  }

  private answered(event: Event): void {
    const job = this.asking;
    this.asking = null;
    if (job && (event.target as HTMLDialogElement).returnValue === "cancel") void this.cancelNow(job);
  }

  // what is seen

  protected override willUpdate(): void {
    this.focused = this.contains(document.activeElement) ? document.activeElement : null;
  }

  protected override updated(): void {
    const { focused } = this;
    // A row that has moved takes the focus with it.
    if (focused?.isConnected && document.activeElement === document.body) {
      (focused as HTMLElement).focus({ preventScroll: true });
    }
    const row = this.toReveal && this.querySelector(`[data-job="${CSS.escape(this.toReveal)}"]`);
    if (!row) return;
    this.toReveal = "";
    row.scrollIntoView({ block: "nearest" });
  }

  protected override render() {
    const shown = this.board.shown(this.state, this.search);
    return html`<div class="jobs">
      <div class="jobs-head"><h1>${t.title}</h1><div role="status">${this.notice()}</div></div>
      <mam-fleet .fleet=${this.fleet}></mam-fleet>
      ${this.isEmpty() ? this.empty() : html`${this.tools()} ${this.list(shown)}`}
      ${this.dialog()}
    </div>`;
  }

  private notice(): TemplateResult | typeof nothing {
    const { problem } = this;
    const notice = (title: string, hint: string) =>
      html`<div class="notice">${icon("warning")}<div><strong>${title}</strong><p>${hint}</p></div></div>`;
    if (problem) return notice(problem.detail || problem.title, problem.hint);
    if (this.isLost) return notice(t.lost, t.lostHint);
    return this.isMissing ? notice(t.noSuchJob, "") : nothing;
  }

  private isEmpty(): boolean {
    return this.isLoaded && this.state === null && this.board.size === 0;
  }

  private empty(): TemplateResult {
    return html`<div class="empty">${icon("convert")}<h2>${t.empty.title}</h2><p>${t.empty.text}</p>
      <a class="button is-primary" href="/">${t.empty.action}</a></div>`;
  }

  private tools(): TemplateResult {
    const counts: Partial<Record<State, number>> = this.fleet?.jobs ?? {};
    const link = (state: State | null) => html`<a href=${this.address(state, "")} aria-current=${state === this.state ? "true" : nothing}>
      ${t.filters[state ?? "all"]}${state && counts[state] ? html` <span class="number">${decimal(counts[state]!)}</span>` : nothing}</a>`;
    return html`<div class="tools">
      <nav class="filters" aria-label=${t.filters.label}>${link(null)}${STATES.map(link)}</nav>
      <label class="search">${icon("search")}<span class="visually-hidden">${t.search}</span>
        <input type="search" placeholder=${t.search} .value=${this.search}
          @input=${(event: Event) => (this.search = (event.target as HTMLInputElement).value)} /></label>
    </div>`;
  }

  private list({ going, ended }: Shown): TemplateResult {
    const first = going.slice(0, this.most);
    const last = ended.filter(({ id }, at) => at < this.mostEnded || id === this.open);
    const rows = [
      ...(first.length ? [t.going] : []), ...first,
      ...(last.length ? [t.ended] : []), ...last,
    ];
    const rest = going.length - first.length;
    return html`${rows.length
        ? html`<ul class="job-list" aria-label=${t.list}>${repeat(rows, (row) => (typeof row === "string" ? row : row.id), (row) => this.row(row))}</ul>`
        : this.nothingFound()}
      <div class="more">
        ${rest > 0 ? html`<button class="button" @click=${() => (this.most += ALL_GOING)}>${t.moreGoing(rest)}</button>` : nothing}
        ${this.cursor || last.length < ended.length
          ? html`<button class="button" @click=${() => this.older(ended.length)}>${t.more}</button>`
          : nothing}
      </div>`;
  }

  private row(row: BriefJob | string): TemplateResult {
    if (typeof row === "string") return html`<li class="job-heading"><h2>${row}</h2></li>`;
    return html`<li data-job=${row.id}>
      <mam-job-row .actions=${this as RowActions} .job=${row} .now=${this.now} .open=${this.open === row.id}></mam-job-row>
    </li>`;
  }

  private nothingFound(): TemplateResult {
    if (!this.isLoaded) return html`<p class="empty" role="status">${texts.loading}</p>`;
    if (this.search) return html`<div class="empty"><h2>${t.empty.search(this.search)}</h2><p>${t.empty.searchHint}</p></div>`;
    return html`<div class="empty"><h2>${this.state ? t.empty.none[this.state] : t.empty.title}</h2></div>`;
  }

  private dialog(): TemplateResult {
    const job = this.asking;
    const seconds = job?.started_at ? Math.max(this.now - job.started_at, 0) : 0;
    return html`<dialog aria-labelledby="ask-title" @close=${(event: Event) => this.answered(event)}>
      ${job
        ? html`<form method="dialog">
            <h2 id="ask-title">${t.ask.title(nameOf(job))}</h2>
            <p>${t.ask.text(job.progress.percent, duration(seconds))}</p>
            <div class="actions">
              <button class="button" value="keep">${t.ask.keep}</button>
              <button class="button is-danger" value="cancel">${t.ask.cancel}</button>
            </div>
          </form>`
        : nothing}
    </dialog>`;
  }
}
customElements.define("mam-jobs", Jobs);
