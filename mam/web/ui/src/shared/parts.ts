/** Loads chunks of the site on demand. After an update of the service, an open page refers to old chunks. */
import { texts } from "../texts/index.js";
import { ApiError, localProblem, unreachable } from "./api.js";
import type { Problem } from "./types.js";

/** Fired on `window` before the page reloads by itself. A listener with unsaved work cancels it. */
export const RELOAD = "mam-reload";

const RELOADED = "mam:reloaded";
const ONCE_MS = 60_000; // A second reload within this time would be a loop.

/** Loads a chunk. If it is gone, the page reloads once. Throws ApiError. */
export async function part<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    if (!(await answers())) throw new ApiError(unreachable());
    if (!mayReload()) throw new ApiError(outdated());
    location.reload();
    return new Promise(() => undefined); // the page is about to reload
  }
}

/** Whether the service answers: without it, a reload would lose the page. */
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
    return false; // without storage, the page could reload in a loop
  }
}

function outdated(): Problem {
  const { title, hint } = texts.outdated;
  return localProblem("outdated", { title, hint });
}
