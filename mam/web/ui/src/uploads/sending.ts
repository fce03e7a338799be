/** Sends one part to the store. */

const SILENT_MS = 60_000; // Without a byte or an answer: after a change of network, a phone never gets the answer.

/** The store refused a part, or (status 0) there was no answer: no network, no store, or no permission (CORS). */
export class NotSent extends Error {
  constructor(readonly status: number, said = "") {
    super(/<Message>([^<]*)/.exec(said)?.[1] ?? said.slice(0, 200));
  }
}

/** PUTs a slice of a file, which the browser streams. Throws NotSent, or AbortError by the signal. */
export function put(url: string, piece: Blob, signal: AbortSignal, progressed: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report upload progress
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
      progressed(loaded);
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
