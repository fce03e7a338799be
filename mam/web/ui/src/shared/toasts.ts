/** Short messages at the edge of the page. Errors stay until they are closed. */
import { html, nothing } from "lit";
import { texts } from "../texts/index.js";
import { problemOf } from "./api.js";
import { Element } from "./element.js";
import { icon } from "./icons.js";
import type { Problem } from "./types.js";

interface Toast {
  id: number;
  title: string;
  hint: string;
  isError: boolean;
}

const SHOWN = "mam-toast";
const SECONDS = 4;
let last = 0;

export function toast(title: string, hint = ""): void {
  show({ title, hint, isError: false });
}

/** Shows an error with the API's title and hint. */
export function toastError(error: unknown): void {
  const problem: Problem = problemOf(error);
  show({ title: problem.detail || problem.title, hint: problem.hint, isError: true });
}

/** Copies a text and confirms it, or shows what to do if the browser does not allow it. */
export async function copyText(text: string): Promise<void> {
  const { title, hint } = texts.uncopied;
  if (await isCopied(text)) toast(texts.copied);
  else show({ title, hint: hint(text), isError: true });
}

/** Over plain HTTP from another host there is no clipboard API: execCommand still works there. */
async function isCopied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return isCopiedBySelection(text);
  }
}

function isCopiedBySelection(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  Object.assign(field, { value: text, readOnly: true, className: "visually-hidden" });
  field.style.position = "fixed"; // otherwise the page would scroll to it
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  }
}

function show(message: Omit<Toast, "id">): void {
  window.dispatchEvent(new CustomEvent(SHOWN, { detail: { ...message, id: ++last } }));
}

class Toasts extends Element {
  static override properties = { shown: { state: true } };
  declare shown: Toast[];

  constructor() {
    super();
    this.shown = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(window, SHOWN, (event) => {
      const added = (event as CustomEvent<Toast>).detail;
      this.shown = [...this.shown.filter(({ title }) => title !== added.title), added].slice(-4);
      if (!added.isError) setTimeout(() => this.drop(added.id), 1000 * SECONDS);
    });
  }

  private drop(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  protected override render() {
    return html`<div class="toasts" role="status" aria-live="polite" aria-label=${texts.notifications}>
      ${this.shown.map(
        ({ id, title, hint, isError }) => html`<div class="toast ${isError ? "is-error" : ""}">
          <div><strong>${title}</strong>${hint ? html`<p>${hint}</p>` : nothing}</div>
          <button class="icon-button" aria-label=${texts.close} @click=${() => this.drop(id)}>${icon("close")}</button>
        </div>`,
      )}
    </div>`;
  }
}
customElements.define("mam-toasts", Toasts);
