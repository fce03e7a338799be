/** The player. */
import { html } from "lit";
import { Element } from "../shared/element.js";

class Player extends Element {
  static override properties = { bucket: {}, path: {}, embedded: { type: Boolean } };
  declare bucket: string;
  declare path: string;
  declare embedded: boolean;

  protected override render() {
    return html`<p>${this.bucket}/${this.path}</p>`;
  }
}
customElements.define("mam-player", Player);
