/** A dialog that asks before an action that cannot be undone. */
import { html, nothing } from "lit";
import { Element } from "../shared/element.js";
import { texts } from "../texts/index.js";

interface Question {
  title: string;
  lines: string[];
  submit: string;
}

class Confirm extends Element {
  static override properties = { question: { state: true } };
  declare question: Question | null;
  private answered: (yes: boolean) => void = () => undefined;

  constructor() {
    super();
    this.question = null;
  }

  /** Whether the user agrees. */
  async ask(question: Question): Promise<boolean> {
    this.question = question;
    await this.updateComplete;
    const dialog = this.querySelector("dialog")!;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => (this.answered = resolve));
  }

  private closed(event: Event): void {
    this.answered((event.target as HTMLDialogElement).returnValue === "yes");
    this.question = null;
  }

  private answer(value: string): void {
    this.querySelector("dialog")?.close(value);
  }

  protected override render() {
    if (!this.question) return nothing;
    const { title, lines, submit } = this.question;
    return html`<dialog aria-labelledby="confirm-title" @close=${this.closed}>
      <h2 id="confirm-title">${title}</h2>
      ${lines.map((line) => html`<p>${line}</p>`)}
      <div class="actions">
        <button class="button" autofocus @click=${() => this.answer("")}>${texts.cancel}</button>
        <button class="button is-danger" @click=${() => this.answer("yes")}>${submit}</button>
      </div>
    </dialog>`;
  }
}
customElements.define("mam-confirm", Confirm);
export type { Confirm };
