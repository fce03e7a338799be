/** The texts of an empty library. */
import { html, type TemplateResult } from "lit";
import { icon } from "../shared/icons.js";
import { copyText } from "../shared/toasts.js";
import { texts } from "../texts/index.js";
import { puttingLine } from "./curl.js";
import { addressOf, type Query } from "./query.js";

const said = texts.libraryPage;
const A_BUCKET = "myvideos"; // An example, if no bucket is known.

/** There is no video at all: the first steps. */
export function empty(query: Query, hasUploads: boolean): TemplateResult {
  const line = puttingLine(query.bucket || A_BUCKET, query.folder);
  const copy = () => copyText(line);
  return html`<div class="empty">
    ${icon("film")}
    <h2>${said.empty.title}</h2>
    <p>${hasUploads ? said.empty.upload : said.empty.put}</p>
    <p class="library-line"><code>${line}</code>
      <button class="icon-button" aria-label=${texts.copy} title=${texts.copy} @click=${copy}>${icon("copy")}</button></p>
    ${query.bucket || query.folder
      ? html`<a class="button" href=${addressOf({ ...query, bucket: "", folder: "" })}>${said.empty.up}</a>`
      : ""}
  </div>`;
}

/** No video matches the query. */
export function nothingFound(query: Query): TemplateResult {
  const { q, state, bucket, folder } = query;
  const name = state && said.states[state];
  const why = q && name ? said.nothing.both(q, name) : q ? said.nothing.words(q) : said.nothing.state(name);
  return html`<div class="empty">
    ${icon("search")}
    <h2>${said.nothing.title}</h2>
    <p>${why}</p>
    <div class="actions">
      <a class="button" href=${addressOf({ ...query, q: "", state: "" })}>${said.nothing.clear}</a>
      ${q && (bucket || folder)
        ? html`<a class="button" href=${addressOf({ ...query, bucket: "", folder: "" })}>${said.nothing.everywhere}</a>`
        : ""}
    </div>
  </div>`;
}
