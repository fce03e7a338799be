/** The jobs. */
import { html } from "lit";
import { Element } from "../shared/element.js";

class Jobs extends Element {
  protected override render() {
    return html`<h1>Jobs</h1>`;
  }
}
customElements.define("mam-jobs", Jobs);
