/** Where the viewer stopped, remembered in this browser. */
const KEY = "mam-stopped";
const MOST = 200; // videos
const EARLY = 10; // A stop in the first or last seconds is not remembered.
const NEAR_END = 0.03; // Nor is one in this part of the duration at the end: the credits.
const SAVE_MS = 5000; // While a video plays, its position is saved this often.

type Positions = [video: string, seconds: number][]; // the latest at the end

/** Seconds to resume at; null for the beginning. */
export function stoppedAt(video: string): number | null {
  return read().find(([name]) => name === video)?.[1] ?? null;
}

/** Remembers the position, unless it is near the beginning or the end. */
function remember(video: string, seconds: number, duration: number): void {
  const others = read().filter(([name]) => name !== video);
  const isWorth = seconds > EARLY && seconds < duration - Math.max(EARLY, NEAR_END * duration);
  write(isWorth ? [...others, [video, Math.floor(seconds)] satisfies Positions[number]].slice(-MOST) : others);
}

/** Saves the position of a video that plays. */
export class Position {
  private saved = 0; // milliseconds of performance.now()

  progressed(name: string, video: HTMLVideoElement): void {
    const now = performance.now();
    if (now - this.saved < SAVE_MS) return;
    this.saved = now;
    this.save(name, video);
  }

  save(name: string, { currentTime, duration }: HTMLVideoElement): void {
    if (Number.isFinite(duration) && currentTime > 0) remember(name, currentTime, duration);
  }
}

export function forget(video: string): void {
  write(read().filter(([name]) => name !== video));
}

function read(): Positions {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Positions) : [];
  } catch {
    return []; // a frame may have no storage
  }
}

function write(positions: Positions): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(positions));
  } catch {
    // full, or not allowed: the next visit starts at the beginning
  }
}
