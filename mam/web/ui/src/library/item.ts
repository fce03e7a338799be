/** A video as a card of the grid or a line of the list. */
import { html, nothing, type TemplateResult } from "lit";
import { bytes, date, dateTime, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import type { AssetView, Failure } from "../shared/types.js";
import { texts } from "../texts/index.js";
import type { Row } from "./listing.js";
import type { View } from "./query.js";

const said = texts.libraryPage;

/** Progress of the conversion; null if there is none. */
function percentOf({ asset, job }: Row): number | null {
  if (job) return Math.floor(job.progress.percent);
  return asset.state === "making" ? 0 : null;
}

/** `isFlat`: videos of several folders are shown together, so each shows its folder. */
export function item(row: Row, view: View, isFlat: boolean): TemplateResult {
  const { asset } = row;
  const place = isFlat ? html`<span class="asset-place">${placeOf(asset)}</span>` : nothing;
  const fault = asset.state === "failed" && !row.job ? reason(asset.error) : nothing;
  return html`
    <div class="asset-picture">${picture(row)}</div>
    <div class="asset-words">
      <h3 class="asset-title"><a href=${asset.watch} data-id=${row.id} title=${asset.key}>${asset.title}</a></h3>
      ${place} ${view === "list" ? fault : nothing}
    </div>
    ${view === "grid" ? fault : nothing}
    <div class="asset-facts">
      ${badge(row)}
      ${view === "list" ? html`<span class="asset-duration">${length(asset)}</span>` : nothing}
      <span class="asset-size">${bytes(asset.size)}</span>
      <time datetime=${new Date(1000 * asset.modified).toISOString()} title=${dateTime(asset.modified)}>${date(asset.modified)}</time>
    </div>
    <button class="icon-button asset-menu" data-menu=${row.id} aria-haspopup="menu" aria-expanded="false"
      aria-label=${said.actions(asset.title)}>${icon("more")}</button>
  `;
}

function picture(row: Row): TemplateResult {
  const { asset } = row;
  const percent = percentOf(row);
  return html`
    ${asset.poster
      ? html`<img src=${asset.poster} alt="" loading="lazy" decoding="async" width="320" height="180" />`
      : icon(asset.state === "failed" ? "warning" : "film")}
    ${asset.duration === null ? nothing : html`<span class="asset-length">${length(asset)}</span>`}
    ${percent === null
      ? nothing
      : html`<div class="bar" aria-hidden="true"><span .style=${`width: ${percent}%`}></span></div>`}
  `;
}

/** Less than a second is shown as one second. */
function length({ duration: seconds }: AssetView): string {
  return seconds === null ? "" : duration(Math.max(1, seconds));
}

function badge(row: Row): TemplateResult {
  const { state } = row.asset;
  const percent = percentOf(row);
  if (percent !== null) {
    const text = state === "live" ? said.remaking(percent) : row.job?.state === "queued" ? said.waiting : said.making(percent);
    return html`<span class="badge is-busy number">${text}</span>`;
  }
  const kind = { new: "", making: "is-busy", live: "is-good", failed: "is-bad" }[state];
  const [made, total] = row.asset.renditions ?? [0, 0];
  const rungs = state === "live" && made < total ? ` · ${texts.qualities(made, total)}` : "";
  return html`<span class="badge ${kind}">${said.states[state]}${rungs}</span>`;
}

function reason(error: Failure | null): TemplateResult {
  if (!error) return html`<p class="asset-fault">${said.failedSilently}</p>`;
  return html`<p class="asset-fault"><strong>${error.message}</strong> ${error.hint}</p>`;
}

function placeOf({ bucket, key }: AssetView): string {
  return [bucket, ...key.split("/").slice(0, -1)].join(" / ");
}
