/** What the build puts in. */
declare const HLS_WORKER: string; // address of hls.js's worker
