/** The page around the player. */
import { html } from "lit";
import { Element } from "../shared/element.js";
import "./element.js";

class Watch extends Element {
  static override properties = { bucket: {}, path: {} };
  declare bucket: string;
  declare path: string;

  protected override render() {
    return html`<mam-player bucket=${this.bucket} path=${this.path}></mam-player>`;
  }
}
customElements.define("mam-watch", Watch);
