/** Remembers this browser's uploads over a reload, and their files if the browser allows it. */

const KEY = "mam-uploads";
const KEPT_SECONDS = 30 * 24 * 3600; // Longer than any sensible UPLOAD_HOURS.
const HANDLES = "handles";

/** An upload that this browser started. */
export interface Remembered {
  id: string;
  name: string;
  at: number; // Unix seconds of the last activity
}

/** The part of the File System Access API that all its browsers share. */
export interface FileHandle {
  kind: "file";
  name: string;
  getFile(): Promise<File>;
  queryPermission?(options: { mode: "read" }): Promise<PermissionState>;
  requestPermission?(options: { mode: "read" }): Promise<PermissionState>;
}

/** The same file has the same fingerprint again. */
export function fingerprint(file: File): string {
  return `${file.name}-${file.size}-${file.lastModified}`;
}

export function remembered(): Remembered[] {
  const since = Date.now() / 1000 - KEPT_SECONDS;
  return read().filter(({ at }) => at > since);
}

export function remember(id: string, name: string): void {
  write([...remembered().filter((each) => each.id !== id), { id, name, at: Date.now() / 1000 }]);
}

export function forget(id: string): void {
  write(remembered().filter((each) => each.id !== id));
  void handles((store) => store.delete(id)).catch(() => null); // without a database there is nothing to delete
}

export async function keepHandle(id: string, handle: FileHandle): Promise<void> {
  await handles((store) => store.put(handle, id));
}

/** The file of an upload, which the page may read once the user allows it. */
export async function handleOf(id: string): Promise<FileHandle | null> {
  return (await handles<FileHandle | undefined>((store) => store.get(id)).catch(() => undefined)) ?? null;
}

function read(): Remembered[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Remembered[]) : [];
  } catch {
    return []; // private windows of some browsers have no database
  }
}

function write(all: Remembered[]): void {
  try {
    if (all.length) localStorage.setItem(KEY, JSON.stringify(all));
    else localStorage.removeItem(KEY);
  } catch {
    // not remembered: the upload resumes when the same file is dropped again
  }
}

async function handles<T>(act: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await asked<IDBDatabase>(opening());
  try {
    return await asked<T>(act(database.transaction(HANDLES, "readwrite").objectStore(HANDLES)));
  } finally {
    database.close();
  }
}

function opening(): IDBOpenDBRequest {
  const request = indexedDB.open(KEY, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(HANDLES);
  return request;
}

function asked<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error ?? new Error("no database"));
  });
}
