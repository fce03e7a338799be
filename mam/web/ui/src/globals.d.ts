/** What the build puts in. */
declare const HLS_WORKER: string; // address of hls.js's worker

/** The Network Information API, which only some browsers have. `downlink`: megabits per second. */
interface Navigator {
  readonly connection?: { readonly downlink?: number; readonly effectiveType?: string };
}
