/** The uploads. */
import { html } from "lit";
import { Element } from "../shared/element.js";

class Uploads extends Element {
  protected override render() {
    return html``;
  }
}
customElements.define("mam-uploads", Uploads);
