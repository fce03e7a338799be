/** Which tab sends an upload: one at a time. Where pages come without TLS there are no locks, and two may. */

const PREFIX = "mam-upload-";

/** Takes an upload for this tab; null when another has it. What comes back gives it up again. */
export function take(id: string): Promise<(() => void) | null> {
  return request(id, { ifAvailable: true });
}

/** Waits until no other tab has it. Raises the signal's reason. */
export async function takeLater(id: string, signal: AbortSignal): Promise<() => void> {
  return (await request(id, { signal })) ?? (() => undefined);
}

/** The uploads that any tab sends. */
export async function taken(): Promise<Set<string>> {
  const { held = [] } = (await locks()?.query()) ?? {};
  return new Set(held.map(({ name = "" }) => name.slice(PREFIX.length)));
}

function request(id: string, options: LockOptions): Promise<(() => void) | null> {
  const manager = locks();
  if (!manager) return Promise.resolve(() => undefined);
  return new Promise((resolve, reject) => {
    const holding = (lock: Lock | null) => {
      if (!lock) return resolve(null);
      return new Promise<void>((release) => resolve(release)); // it is ours until this settles, or the tab is closed
    };
    manager.request(PREFIX + id, options, holding).catch(reject);
  });
}

function locks(): LockManager | undefined {
  return navigator.locks as LockManager | undefined;
}
