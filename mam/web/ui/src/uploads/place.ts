/** Where files go that are dropped or chosen on the page that is shown. */
import type { UploadTerms } from "../shared/types.js";

/** What the page shows: a bucket ("" for all) and a folder in it ("courses/", "" for its top). */
export interface Place {
  bucket: string;
  folder: string;
}

const shown: Place[] = [];

/** The place of the page that is shown; null where nothing can be dropped. */
export function currentPlace(): Place | null {
  return shown.at(-1) ?? null;
}

/** A button that stands for a place. What comes back takes it away again. */
export function standsFor(place: Place): () => void {
  shown.push(place);
  return () => void shown.splice(shown.indexOf(place), 1);
}

/** The folder below the prefix that files go to. Of buckets that take none, and outside of the prefix: its top. */
export function folderAt(place: Place | null, terms: UploadTerms): string {
  if (!place || (place.bucket && place.bucket !== terms.bucket)) return "";
  return place.folder.startsWith(terms.prefix) ? place.folder.slice(terms.prefix.length) : "";
}

/** The whole way there, as people read it. */
export function wayTo(place: Place | null, terms: UploadTerms): string {
  return [terms.bucket, ...`${terms.prefix}${folderAt(place, terms)}`.split("/")].filter(Boolean).join(" / ");
}

/** Whether files go elsewhere than to the place that is shown: nothing else can be uploaded to. */
export function isElsewhere(place: Place, terms: UploadTerms): boolean {
  const { bucket, folder } = place;
  return Boolean(bucket !== terms.bucket || folder !== `${terms.prefix}${folderAt(place, terms)}`);
}
