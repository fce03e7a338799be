/** Parts of the site that are fetched when they are needed. After an update of the service an open page names old ones. */
import { texts } from "../texts/index.js";
import { ApiError, localProblem, unreachable } from "./api.js";
import type { Problem } from "./types.js";

/** Fired on `window` before the page is loaded anew by itself; cancelable by what would be lost. */
export const RELOAD = "mam-reload";

const RELOADED = "mam:reloaded";
const ONCE_MS = 60_000; // a second time within it would be a circle

/** The part, or the whole address anew, once, where it is gone. Throws ApiError. */
export async function part<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    if (!(await answers())) throw new ApiError(unreachable());
    if (!mayReload()) throw new ApiError(outdated());
    location.reload();
    return new Promise(() => undefined); // nothing follows in this page
  }
}

/** Whether the service is there at all: without it, there would be less after a reload than before. */
function answers(): Promise<boolean> {
  return fetch(location.href, { method: "HEAD" }).then(({ ok }) => ok, () => false);
}

function mayReload(): boolean {
  try {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < ONCE_MS) return false;
    if (!window.dispatchEvent(new Event(RELOAD, { cancelable: true }))) return false;
    sessionStorage.setItem(RELOADED, String(Date.now()));
    return true;
  } catch {
    return false; // a browser that stores nothing would go round and round
  }
}

function outdated(): Problem {
  const { title, hint } = texts.outdated;
  return localProblem("outdated", { title, hint });
}
