/** Search, filter, sort and view. */
import { html, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { icon } from "../shared/icons.js";
import type { AssetState } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { addressOf, type Query, type Sort, type View, viewOf } from "./query.js";

const said = texts.libraryPage;

interface Answers {
  place: string; // name of the folder or bucket; "" for all
  words: string; // in the search field
  typed: (words: string) => void;
  sorted: (sort: Sort) => void;
  viewed: (view: View) => void;
}

export function toolbar(query: Query, answers: Answers): TemplateResult {
  const label = answers.place ? said.searchIn(answers.place) : said.searchAll;
  return html`<div class="library-tools">
    <div class="library-search" role="search">
      ${icon("search")}
      <input id="search" type="search" placeholder=${label} aria-label=${label} aria-keyshortcuts="/" autocomplete="off"
        spellcheck="false" .value=${live(answers.words)}
        @input=${(event: Event) => answers.typed((event.target as HTMLInputElement).value)} />
      <kbd aria-hidden="true">/</kbd>
    </div>
    <nav class="library-states" aria-label=${said.state}>${filters(query)}</nav>
    <div class="library-order">
      <label class="visually-hidden" for="sort">${said.sort}</label>
      <select id="sort" .value=${live(query.sort)} @change=${(event: Event) => answers.sorted((event.target as HTMLSelectElement).value as Sort)}>
        ${Object.entries(said.sorts).map(([sort, text]) => html`<option value=${sort} ?selected=${sort === query.sort}>${text}</option>`)}
      </select>
      <div class="library-views" role="group" aria-label=${said.view}>
        ${(["grid", "list"] as const).map(
          (view) => html`<button class="icon-button" aria-pressed=${viewOf(query) === view ? "true" : "false"} aria-label=${said[view]}
            title=${said[view]} @click=${() => answers.viewed(view)}>${icon(view)}</button>`,
        )}
      </div>
    </div>
  </div>`;
}

function filters(query: Query): TemplateResult[] {
  const states: [AssetState | "", string][] = [["", said.all], ...(Object.entries(said.states) as [AssetState, string][])];
  return states.map(
    ([state, text]) => html`<a href=${addressOf({ ...query, state })} aria-current=${query.state === state ? "true" : "false"}>${text}</a>`,
  );
}
