/** The path of the folder that is shown, and the folders in it. */
import { html, nothing, type TemplateResult } from "lit";
import { icon } from "../shared/icons.js";
import type { FolderView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { addressOf, type Query } from "./query.js";

const said = texts.libraryPage;

/** Name of the folder, or of the bucket; "" when all buckets are shown. */
export function placeName({ bucket, folder }: Query): string {
  return folder.split("/").at(-2) || bucket;
}

/** Links to the parent folders, the nearest last. */
export function path(query: Query): TemplateResult | typeof nothing {
  const { bucket, folder } = query;
  if (!bucket && !folder) return nothing;
  const names = folder.split("/").slice(0, -1);
  const step = (name: string, bucket: string, folder: string) =>
    html`<li><a href=${addressOf({ ...query, bucket, folder, q: "", state: "" })}>${name}</a></li>`;
  const above = names.slice(0, -1).map((name, n) => step(name, bucket, `${names.slice(0, n + 1).join("/")}/`));
  return html`<nav class="library-path" aria-label=${said.path}>
    <ol>${step(said.title, "", "")} ${bucket && names.length ? step(bucket, bucket, "") : nothing} ${above}</ol>
  </nav>`;
}

export function folders(query: Query, found: FolderView[]): TemplateResult | typeof nothing {
  if (!found.length) return nothing;
  const tile = ({ bucket, path, name, assets }: FolderView) => html`<li>
    <a class="folder" href=${addressOf({ ...query, bucket, folder: path })}>
      ${icon("folder")}<span class="folder-name">${name}</span>
      ${assets === null ? nothing : html`<span class="quiet number">${said.count(assets)}</span>`}
    </a>
  </li>`;
  return html`<h2 class="visually-hidden">${said.folders}</h2>
    <ul class="folders" role="list">${found.map(tile)}</ul>`;
}
