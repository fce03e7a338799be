/** The viewer's line: what it carried lately, and which quality it can begin with. */
const KEY = "mam-line";
const KEPT_MS = 3_600_000; // A line of an hour ago is likely the same; a viewer who travels has another one.
const WEIGHED = 10; // The rate is that of so many last segments.
const FEWEST_BYTES = 50_000; // Smaller segments say little: they arrive in one burst.

const LOOK_AFTER = 0.75; // seconds of loading until the rate is known well enough
const MAKING = 1; // seconds that the first segment of another quality may have to be waited for
const WORTHWHILE = 2; // A change must save this many seconds: a busy machine is no slow line.
const QUICK = 0.4; // A segment comes soon where its average takes at most this part of the rate.

interface Known {
  rate: number; // bits per second
  at: number; // milliseconds of Date.now()
}

/** The rate of this browser's line in bits per second, if it was measured lately. */
export function knownRate(): number | null {
  try {
    const known = JSON.parse(localStorage.getItem(KEY) ?? "null") as Known | null;
    const isRecent = known !== null && known.rate > 0 && Math.abs(Date.now() - known.at) < KEPT_MS;
    return isRecent ? known.rate : null;
  } catch {
    return null; // a frame may have no storage
  }
}

/** Measures the line by loaded segments, and remembers its rate for the next video. */
export class Line {
  private loads: { bytes: number; seconds: number }[] = [];

  /** `seconds`: from the first byte to the last, so that no wait for a segment in the making counts. */
  loaded(bytes: number, seconds: number): void {
    if (bytes < FEWEST_BYTES || seconds <= 0) return;
    this.loads = [...this.loads, { bytes, seconds }].slice(-WEIGHED);
    const sum = (key: "bytes" | "seconds") => this.loads.reduce((total, load) => total + load[key], 0);
    try {
      localStorage.setItem(KEY, JSON.stringify({ rate: (8 * sum("bytes")) / sum("seconds"), at: Date.now() } satisfies Known));
    } catch {
      // full, or not allowed: the next video starts like the first
    }
  }
}

/** A segment that is being loaded. `seconds`: since its first byte; `length`: seconds that it plays. */
export interface Loading {
  loaded: number;
  total: number;
  seconds: number;
  length: number;
}

/** The level to begin with instead, when the first segment takes so long that the same of another one is sooner there; else
 * null. It is the best one whose segments come soon.
 *
 * hls.js gives up a slow segment only while a video plays. `averages`: the levels' bits per second,
 * rising; `current`: the level that is being loaded. */
export function fasterStart(loading: Loading, averages: readonly number[], current: number): number | null {
  const { loaded, total, seconds, length } = loading;
  if (seconds < LOOK_AFTER || !loaded) return null;
  const rate = (8 * loaded) / seconds;
  const remaining = (8 * (total - loaded)) / rate;
  const quick = averages.slice(0, current).findLastIndex((average) => average <= QUICK * rate);
  const lower = Math.max(quick, 0);
  if (lower >= current) return null;
  const needed = MAKING + (length * averages[lower]!) / rate;
  return needed + WORTHWHILE < remaining ? lower : null;
}
