/** Locks: one tab sends an upload. Without TLS browsers have no locks, and two tabs may send the same upload. */

const PREFIX = "mam-upload-";

/** Locks an upload for this tab; null if another tab has it. Returns the function that releases it. */
export function take(id: string): Promise<(() => void) | null> {
  return request(id, { ifAvailable: true });
}

/** Waits until no other tab has the lock. Throws the signal's reason. */
export async function takeLater(id: string, signal: AbortSignal): Promise<() => void> {
  return (await request(id, { signal })) ?? (() => undefined);
}

/** The uploads that are locked by any tab. */
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
      return new Promise<void>((release) => resolve(release)); // the lock is held until this resolves or the tab closes
    };
    manager.request(PREFIX + id, options, holding).catch(reject);
  });
}

function locks(): LockManager | undefined {
  return navigator.locks as LockManager | undefined;
}
