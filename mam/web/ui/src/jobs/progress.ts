/** The bar of a job or of one of its renditions. */
import { html, type TemplateResult } from "lit";

export function progressBar(label: string, percent: number): TemplateResult {
  return html`<div class="bar" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.floor(percent)}><span .style=${`width: ${percent}%`}></span></div>`;
}
