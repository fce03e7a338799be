/** One part on its way into the store. */

const SILENT_MS = 60_000; // without a byte or an answer: a phone that changed its network never hears of the old one

/** The store refused a part, or (status 0) nothing came of it: no network, no store, or not from this page. */
export class NotSent extends Error {
  constructor(readonly status: number, said = "") {
    super(/<Message>([^<]*)/.exec(said)?.[1] ?? said.slice(0, 200));
  }
}

/** PUTs a piece of a file, which the browser reads as it goes. Raises NotSent; AbortError by the signal. */
export function put(url: string, piece: Blob, signal: AbortSignal, told: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of what has been sent
    let watch = setTimeout(silent, SILENT_MS);
    function silent(): void {
      request.abort();
      end(() => reject(new NotSent(0)));
    }
    function end(settle: () => void): void {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
      settle();
    }
    function stop(): void {
      request.abort();
      end(() => reject(signal.reason as Error));
    }
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(watch);
      watch = setTimeout(silent, SILENT_MS);
      told(loaded);
    };
    request.onload = () => {
      const isThere = request.status >= 200 && request.status < 300;
      end(() => (isThere ? resolve() : reject(new NotSent(request.status, request.responseText))));
    };
    request.onerror = () => end(() => reject(new NotSent(0)));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop);
    request.open("PUT", url);
    request.send(piece);
  });
}
