/** The library. */
import { html } from "lit";
import { Element } from "../shared/element.js";

class Library extends Element {
  protected override render() {
    return html`<h1>Library</h1>`;
  }
}
customElements.define("mam-library", Library);
