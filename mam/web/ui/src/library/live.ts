/** Keeps a listing up to date: by events of jobs, by uploads, and by a refresh now and then. */
import { hasEnded, jobEvents } from "../shared/events.js";
import type { BriefJobView } from "../shared/types.js";
import type { Listing, Row } from "./listing.js";

const LOOK_AGAIN = 30_000; // Milliseconds between refreshes: other clients may change the buckets.
const SOON = 800; // Milliseconds: changes within this time lead to one refresh.
const PICTURES_WAIT = 4000; // Milliseconds between requests for the poster of a video that is being converted.

/** Returns the function that ends it. `isFiltered`: whether the listing is filtered by state. */
export function keepLive(listing: Listing, isFiltered: () => boolean): () => void {
  const looked = new Map<string, { about: string; at: number }>(); // by row
  let soon = 0;
  let isFirst = true;

  const lookSoon = () => {
    clearTimeout(soon);
    soon = window.setTimeout(() => void listing.refresh(), SOON);
  };
  const lookAt = ({ asset }: Row) => void listing.reread(asset.bucket, asset.key).catch(() => undefined); // it is gone, or the next refresh shows it

  const changed = (job: BriefJobView) => {
    const row = listing.jobChanged(job);
    if (isFiltered() && (!row || hasEnded(job))) lookSoon();
    if (!row) return;
    const about = `${job.id} ${job.playable} ${hasEnded(job)}`;
    const before = looked.get(row.id);
    const wantsPictures = row.asset.poster === null && Date.now() - (before?.at ?? 0) > PICTURES_WAIT;
    if (before?.about === about && !wantsPictures) return;
    looked.set(row.id, { about, at: Date.now() });
    lookAt(row);
    if (hasEnded(job) && row.asset.poster === null) setTimeout(() => lookAt(row), PICTURES_WAIT);
  };

  const stopEvents = jobEvents.subscribe({
    job: changed,
    opened: () => {
      listing.forgetJobs();
      if (!isFirst) lookSoon(); // jobs that ended in between sent no event
      isFirst = false;
    },
  });
  const timer = window.setInterval(() => document.hidden || void listing.refresh(), LOOK_AGAIN);
  const visible = () => document.hidden || lookSoon();
  const uploaded = (event: Event) => {
    const { bucket, key } = (event as CustomEvent<{ bucket: string; key: string }>).detail;
    void listing.reread(bucket, key).catch(() => undefined).then(lookSoon); // the service lists an asset at once when it is requested by name
  };
  document.addEventListener("visibilitychange", visible);
  window.addEventListener("mam-uploaded", uploaded);
  window.addEventListener("mam-removed", lookSoon);
  return () => {
    stopEvents();
    clearInterval(timer);
    clearTimeout(soon);
    document.removeEventListener("visibilitychange", visible);
    window.removeEventListener("mam-uploaded", uploaded);
    window.removeEventListener("mam-removed", lookSoon);
  };
}
