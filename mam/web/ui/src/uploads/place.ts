/** The target folder of files that are dropped or chosen on the current page. */
import type { UploadTerms } from "../shared/types.js";

/** The bucket ("" for all) and folder ("courses/", "" for the top) that a page shows. */
export interface Place {
  bucket: string;
  folder: string;
}

const shown: Place[] = [];

/** The place of the current page; null if it takes no files. */
export function currentPlace(): Place | null {
  return shown.at(-1) ?? null;
}

/** Registers the place of a button. Returns the function that removes it. */
export function standsFor(place: Place): () => void {
  shown.push(place);
  return () => void shown.splice(shown.indexOf(place), 1);
}

/** The target folder below the prefix. Outside of the upload bucket or prefix it is the top folder. */
export function folderAt(place: Place | null, terms: UploadTerms): string {
  if (!place || (place.bucket && place.bucket !== terms.bucket)) return "";
  return place.folder.startsWith(terms.prefix) ? place.folder.slice(terms.prefix.length) : "";
}

/** The whole path of the target, as text. */
export function wayTo(place: Place | null, terms: UploadTerms): string {
  return [terms.bucket, ...`${terms.prefix}${folderAt(place, terms)}`.split("/")].filter(Boolean).join(" / ");
}

/** Whether the target differs from the place that the page shows. */
export function isElsewhere(place: Place, terms: UploadTerms): boolean {
  const { bucket, folder } = place;
  return Boolean(bucket !== terms.bucket || folder !== `${terms.prefix}${folderAt(place, terms)}`);
}
