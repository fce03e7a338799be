/** The dialog that asks before a job with much finished work is cancelled. */
import { html, nothing, type TemplateResult } from "lit";
import { duration } from "../shared/format.js";
import type { BriefJobView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { nameOf } from "./store.js";

const t = texts.jobsPage.ask;
const FAR_PERCENT = 10; // From this progress on, or
const FAR_SECONDS = 60; // after this many seconds, the page asks before it cancels.

/** Whether a job can be cancelled without a question. */
export function isBarelyBegun({ started_at, progress }: BriefJobView): boolean {
  const seconds = started_at === null ? 0 : Date.now() / 1000 - started_at;
  return progress.percent < FAR_PERCENT && seconds < FAR_SECONDS;
}

export function openDialog(dialog: HTMLDialogElement): void {
  dialog.returnValue = ""; // Escape does not reset the last answer.
  dialog.showModal();
}

/** `answered` is called with whether to cancel. */
export function cancelDialog(job: BriefJobView | null, now: number, answered: (yes: boolean) => void): TemplateResult {
  const seconds = job?.started_at ? Math.max(now - job.started_at, 0) : 0;
  const closed = (event: Event) => answered((event.target as HTMLDialogElement).returnValue === "cancel");
  return html`<dialog aria-labelledby="ask-title" @close=${closed}>
    ${job
      ? html`<form method="dialog">
          <h2 id="ask-title">${t.title(nameOf(job))}</h2>
          <p>${t.text(job.progress.percent, duration(seconds))}</p>
          <div class="actions">
            <button class="button" value="keep">${t.keep}</button>
            <button class="button is-danger" value="cancel">${t.cancel}</button>
          </div>
        </form>`
      : nothing}
  </dialog>`;
}
