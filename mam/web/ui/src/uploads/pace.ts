/** The speed of an upload, and the waits after failures. */

const WINDOW_MS = 8000; // Long enough to smooth the gaps between parts, short enough to follow the connection.
const LONGEST_WAIT_MS = 30_000;

/** Bytes per second over the last seconds. */
export class Speed {
  private marks: [number, number][] = [];

  /** `bytes`: all that have been sent so far. */
  mark(bytes: number, now = performance.now()): void {
    const last = this.marks.at(-1);
    if (last && now - last[0] < 200) return;
    this.marks = [...this.marks.filter(([at]) => at > now - WINDOW_MS), [now, bytes]];
  }

  reset(): void {
    this.marks = [];
  }

  /** null while it is unknown. */
  get value(): number | null {
    const now = performance.now();
    const [first, last] = [this.marks[0], this.marks.at(-1)];
    if (!first || !last || last[0] - first[0] < 1000 || last[0] < now - WINDOW_MS) return null;
    return Math.max(0, (1000 * (last[1] - first[1])) / (now - first[0]));
  }
}

/** Waits, longer each time, or until the network is back. Throws the signal's reason. */
export function patience(attempt: number, signal: AbortSignal): Promise<void> {
  return pause(Math.min(LONGEST_WAIT_MS, 1000 * 2 ** attempt) * (0.75 + Math.random() / 2), signal);
}

/** Waits, or until the network is back. Throws the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener("online", end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
