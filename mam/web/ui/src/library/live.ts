/** Keeps a listing true by itself: jobs as they get on, uploads, and now and then another look. */
import { hasEnded, jobEvents } from "../shared/events.js";
import type { BriefJobView } from "../shared/types.js";
import type { Listing, Row } from "./listing.js";

const LOOK_AGAIN = 30_000; // milliseconds: what others put into the buckets is listed no more often
const SOON = 800; // milliseconds: many changes at a time are one look
const PICTURES_WAIT = 4000; // between looks for the poster of a video in the making

/** Until the function that it gives is called. `isFiltered`: whether a state decides what is shown. */
export function keepLive(listing: Listing, isFiltered: () => boolean): () => void {
  const looked = new Map<string, { about: string; at: number }>(); // by row
  let soon = 0;
  let isFirst = true;

  const lookSoon = () => {
    clearTimeout(soon);
    soon = window.setTimeout(() => void listing.refresh(), SOON);
  };
  const lookAt = ({ asset }: Row) => void listing.reread(asset.bucket, asset.key).catch(() => undefined); // it is gone, or the next look has it

  const told = (job: BriefJobView) => {
    const row = listing.told(job);
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
    job: told,
    opened: () => {
      listing.forgetJobs();
      if (!isFirst) lookSoon(); // what ended meanwhile was not told
      isFirst = false;
    },
  });
  const timer = window.setInterval(() => document.hidden || void listing.refresh(), LOOK_AGAIN);
  const visible = () => document.hidden || lookSoon();
  const uploaded = (event: Event) => {
    const { bucket, key } = (event as CustomEvent<{ bucket: string; key: string }>).detail;
    void listing.reread(bucket, key).catch(() => undefined).then(lookSoon); // asked for by name, it is there at once
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
