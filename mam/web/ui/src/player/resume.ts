/** Where one stopped, remembered in this browser. */
const KEY = "mam-stopped";
const MOST = 200; // videos
const EARLY = 10; // seconds that are seen again rather than skipped
const NEAR_END = 0.03; // of the duration: the credits

type Places = [video: string, seconds: number][]; // the last one watched at the end

/** Seconds at which to go on; null for the beginning. */
export function stoppedAt(video: string): number | null {
  return read().find(([name]) => name === video)?.[1] ?? null;
}

/** Remembers the place, unless it is near the beginning or the end. */
export function remember(video: string, seconds: number, duration: number): void {
  const others = read().filter(([name]) => name !== video);
  const isWorth = seconds > EARLY && seconds < duration - Math.max(EARLY, NEAR_END * duration);
  write(isWorth ? [...others, [video, Math.floor(seconds)] satisfies Places[number]].slice(-MOST) : others);
}

export function forget(video: string): void {
  write(read().filter(([name]) => name !== video));
}

function read(): Places {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Places) : [];
  } catch {
    return []; // a frame may have no storage
  }
}

function write(places: Places): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(places));
  } catch {
    // full, or not allowed: nobody is to be bothered with that
  }
}
