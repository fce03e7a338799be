/** The jobs page: the fleet, active jobs and ended jobs. */
import { html, nothing, type TemplateResult } from "lit";
import { problemOf } from "../shared/api.js";
import { Element } from "../shared/element.js";
import { jobEvents } from "../shared/events.js";
import { icon } from "../shared/icons.js";
import { MOVED, navigate } from "../shared/router.js";
import { toast, toastError } from "../shared/toasts.js";
import type { BriefJobView, FleetView, JobState } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { addressOf, readAddress } from "./address.js";
import * as jobsApi from "./api.js";
import { cancelDialog, isBarelyBegun, openDialog } from "./cancelling.js";
import "./fleet.js";
import { filters, list, noJobs, nothingFound } from "./list.js";
import { JobLoader } from "./loader.js";
import type { RowActions } from "./row.js";
import { JobStore, nameOf } from "./store.js";

const t = texts.jobsPage;
const FRAME = 250; // Milliseconds between two updates of the list, however many events arrive.
const TICK = 10_000; // Milliseconds: ages are updated, and the store is checked against the fleet's counts.
const MOST_GOING = 100; // Active jobs that are shown at first.
const MORE_GOING = 500; // Each "Show more" adds this many.

class Jobs extends Element implements RowActions {
  static override properties = {
    state: { state: true },
    open: { state: true },
    search: { state: true },
    now: { state: true },
    isLost: { state: true },
    isMissing: { state: true },
    asking: { state: true },
    mostGoing: { state: true },
  };
  declare state: JobState | null; // which jobs are shown; null: all
  declare open: string; // the id of the open job
  declare search: string;
  declare now: number; // Unix seconds
  declare isLost: boolean;
  declare isMissing: boolean; // the open job
  declare asking: BriefJobView | null; // whether to cancel it
  declare mostGoing: number;
  private readonly store = new JobStore();
  private readonly loader = new JobLoader(this.store, () => this.requestUpdate());
  private readonly busy = new Set<string>(); // ids of jobs with a request under way
  private fleet: FleetView | null = null;
  private wasOpened = false;
  private toReveal = "";
  private drawn = 0;
  private drawing = 0;
  private focused: globalThis.Element | null = null;

  constructor() {
    super();
    this.search = "";
    this.now = Date.now() / 1000;
    this.isLost = this.isMissing = false;
    this.asking = null;
    this.mostGoing = MOST_GOING;
    this.state = null;
    this.open = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(window, MOVED, () => this.moved());
    this.cleanUp(
      jobEvents.subscribe({
        job: (job) => (this.store.put(job), this.draw()),
        fleet: (fleet) => ((this.fleet = fleet), this.draw()),
        opened: () => this.opened(),
        lost: () => (this.isLost = true),
      }),
    );
    const timer = setInterval(() => this.tick(), TICK);
    this.cleanUp(() => [timer, this.drawing].forEach(clearTimeout));
    this.cleanUp(() => this.loader.stop());
    this.readAddress();
    void this.loader.show(this.state);
  }

  // the address

  private readAddress(): void {
    const { state, open } = readAddress(location.search);
    this.state = state;
    if (open === this.open) return;
    this.open = open;
    this.isMissing = false;
    if (open) void this.reveal(open);
  }

  private moved(): void {
    if (location.pathname !== "/jobs") return;
    const before = this.state;
    this.readAddress();
    if (this.state !== before) void this.loader.show(this.state);
  }

  /** Scrolls to the job in the address, and loads it if the list does not have it. */
  private async reveal(id: string): Promise<void> {
    this.toReveal = id;
    if (!this.store.get(id)) {
      try {
        this.store.put(await jobsApi.find(id));
      } catch (error) {
        this.isMissing = problemOf(error).code !== "unreachable";
      }
    }
    this.requestUpdate();
  }

  // events

  /** After a lost connection the list is loaded again; a hidden tab closes the stream too. */
  private opened(): void {
    if (this.wasOpened) void this.loader.reload().then(() => this.draw());
    this.wasOpened = true;
    this.isLost = false;
  }

  private tick(): void {
    this.now = Date.now() / 1000;
    void this.loader.check(this.fleet, this.isLost).then(() => this.draw());
  }

  private draw(): void {
    if (this.drawing) return;
    const draw = () => {
      this.drawing = 0;
      this.drawn = performance.now();
      this.loader.trim(this.open);
      this.requestUpdate();
    };
    this.drawing = window.setTimeout(draw, Math.max(this.drawn + FRAME - performance.now(), 0));
  }

  // actions

  toggle(job: BriefJobView): void {
    this.open = this.open === job.id ? "" : job.id;
    this.isMissing = false;
    navigate(addressOf({ state: this.state, open: this.open }), { replace: true });
  }

  cancel(job: BriefJobView): void {
    if (isBarelyBegun(job)) return void this.cancelNow(job);
    this.asking = job;
    void this.updateComplete.then(() => openDialog(this.querySelector("dialog")!));
  }

  private answered(yes: boolean): void {
    const job = this.asking;
    this.asking = null;
    if (job && yes) void this.cancelNow(job);
  }

  private cancelNow(job: BriefJobView): Promise<void> {
    return this.act(job, () => jobsApi.cancel(job), t.cancelled(nameOf(job)));
  }

  retry(job: BriefJobView): void {
    void this.act(job, () => jobsApi.retry(job), t.retried(nameOf(job)));
  }

  prioritise(job: BriefJobView, priority: string): void {
    const done = t.prioritised(nameOf(job), t.priorities[priority as BriefJobView["priority"]]);
    void this.act(job, () => jobsApi.setPriority(job, priority), done);
  }

  private async act(job: BriefJobView, ask: () => Promise<BriefJobView>, done: string): Promise<void> {
    if (this.busy.has(job.id)) return;
    this.busy.add(job.id);
    try {
      this.store.put(await ask());
      toast(done);
    } catch (error) {
      toastError(error);
    } finally {
      this.busy.delete(job.id);
    }
    this.requestUpdate();
  }

  // view

  protected override willUpdate(): void {
    this.focused = this.contains(document.activeElement) ? document.activeElement : null;
  }

  protected override updated(): void {
    const { focused } = this;
    // A row that moved keeps the focus.
    if (focused?.isConnected && document.activeElement === document.body) {
      (focused as HTMLElement).focus({ preventScroll: true });
    }
    const row = this.toReveal && this.querySelector(`[data-job="${CSS.escape(this.toReveal)}"]`);
    if (!row) return;
    this.toReveal = "";
    row.scrollIntoView({ block: "nearest" });
  }

  protected override render() {
    return html`<div class="jobs">
      <div class="jobs-head"><h1>${t.title}</h1><div role="status">${this.notice()}</div></div>
      <mam-fleet .fleet=${this.fleet}></mam-fleet>
      ${this.isEmpty() ? noJobs() : this.content()}
      ${cancelDialog(this.asking, this.now, (yes) => this.answered(yes))}
    </div>`;
  }

  private notice(): TemplateResult | typeof nothing {
    const { problem } = this.loader;
    const notice = (title: string, hint: string) =>
      html`<div class="notice">${icon("warning")}<div><strong>${title}</strong><p>${hint}</p></div></div>`;
    if (problem) return notice(problem.detail || problem.title, problem.hint);
    if (this.isLost) return notice(t.lost, t.lostHint);
    return this.isMissing ? notice(t.noSuchJob, "") : nothing;
  }

  private isEmpty(): boolean {
    return this.loader.isLoaded && this.state === null && this.store.size === 0;
  }

  private content(): TemplateResult {
    const { loader, state, search } = this;
    const rows = list(this.store.shown(state, search), {
      mostGoing: this.mostGoing,
      mostEnded: loader.mostEnded,
      open: this.open,
      now: this.now,
      hasOlder: loader.cursor !== null,
      actions: this,
      showMore: () => (this.mostGoing += MORE_GOING),
      showOlder: (known) => loader.showOlder(known),
      empty: () => (loader.isLoaded ? nothingFound(state, search) : html`<p class="empty" role="status">${texts.loading}</p>`),
    });
    return html`${filters(state, this.fleet?.jobs ?? {}, search, (text) => (this.search = text))} ${rows}`;
  }
}
customElements.define("mam-jobs", Jobs);
