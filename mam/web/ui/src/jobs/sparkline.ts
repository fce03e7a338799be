/** A small line chart of a number over the last minute. */
import { html, nothing } from "lit";
import { Element } from "../shared/element.js";
import { texts } from "../texts/index.js";

const SECONDS = 60;
const HEIGHT = 20;

class Sparkline extends Element {
  static override properties = { value: {}, samples: { state: true } };
  declare value: number;
  declare samples: number[];

  constructor() {
    super();
    this.value = 0;
    this.samples = new Array<number>(SECONDS).fill(0);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const timer = setInterval(() => this.sample(), 1000);
    this.cleanUp(() => clearInterval(timer));
  }

  private sample(): void {
    if (this.value || this.samples.some(Boolean)) this.samples = [...this.samples.slice(1), this.value];
  }

  protected override render() {
    const most = Math.max(...this.samples);
    if (!most) return nothing;
    const y = (value: number) => (HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1);
    const points = this.samples.map((value, at) => `${at},${y(value)}`).join(" ");
    return html`<svg class="sparkline" viewBox="0 0 ${SECONDS - 1} ${HEIGHT}" preserveAspectRatio="none" role="img"
      aria-label=${texts.jobsPage.fleet.trend(most)}><polyline points=${points}></polyline></svg>`;
  }
}
customElements.define("mam-sparkline", Sparkline);
