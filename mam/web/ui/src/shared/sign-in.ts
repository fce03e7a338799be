/** The sign-in form, in place of a page that needs a session. */
import { html, nothing } from "lit";
import { texts } from "../texts/index.js";
import { problemOf } from "./api.js";
import { Element } from "./element.js";
import { session } from "./session.js";
import type { Problem } from "./types.js";

class SignIn extends Element {
  static override properties = { problem: { state: true }, busy: { state: true } };
  declare problem: Problem | null;
  declare busy: boolean;

  constructor() {
    super();
    this.problem = null;
    this.busy = false;
  }

  protected override firstUpdated(): void {
    this.querySelector("input")?.focus();
  }

  private async submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const field = this.querySelector("input")!;
    this.busy = true;
    try {
      await session.signIn(field.value.trim());
    } catch (error) {
      this.problem = problemOf(error);
      field.select();
    } finally {
      this.busy = false;
    }
  }

  protected override render() {
    const { signIn } = texts;
    return html`<form class="card sign-in" @submit=${this.submit}>
      <h1>${signIn.title}</h1>
      <p>${session.expired ? signIn.again : signIn.intro}</p>
      <label for="api-key">${signIn.key}</label>
      <input id="api-key" name="api-key" type="password" autocomplete="current-password" required
        aria-describedby="api-key-hint" aria-invalid=${this.problem ? "true" : "false"} />
      <p id="api-key-hint" class="quiet">${signIn.hint.map((part, n) => (n % 2 ? html`<code>${part}</code>` : part))}</p>
      ${this.problem
        ? html`<p class="error" role="alert"><strong>${this.problem.detail}</strong> ${this.problem.hint}</p>`
        : nothing}
      <button class="button is-primary" ?disabled=${this.busy}>${signIn.submit}</button>
    </form>`;
  }
}
customElements.define("mam-sign-in", SignIn);
