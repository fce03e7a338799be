/** The files that people drop or choose, with the folders that they lie in. */
import type { FileHandle } from "./storage.js";

/** `folder`: "courses/2024/" within what was dropped, or "". `handle`: with it the file can be read after a reload. */
export interface Found {
  file: File;
  folder: string;
  handle: FileHandle | null;
}

/** What was dropped. `unread`: names of what lies in it and cannot be read: the browser may not, or it is gone. */
export interface Dropped {
  found: Found[];
  unread: string[];
}

interface FolderHandle {
  kind: "directory";
  name: string;
  values(): AsyncIterable<FileHandle | FolderHandle>;
}

type Handle = FileHandle | FolderHandle;
type WithHandle = DataTransferItem & { getAsFileSystemHandle?(): Promise<Handle | null> };

const SYSTEM_FILES = /^(\..*|Thumbs\.db|desktop\.ini)$/i; // nobody means to upload them

/** Of an `<input>`, with folders where it was for a folder. */
export function chosen(input: HTMLInputElement): Found[] {
  return [...(input.files ?? [])].map((file) => {
    const path = file.webkitRelativePath;
    return { file, folder: path.slice(0, path.lastIndexOf("/") + 1), handle: null };
  }).filter(({ file, folder }) => isMeant(file.name, folder));
}

/** Of a drop: folders with all that lies in them. To be called within its event: afterwards there is nothing to see. */
export async function dropped(data: DataTransfer): Promise<Dropped> {
  const items = [...data.items].filter(({ kind }) => kind === "file");
  const taken = items.map((item) => ({
    entry: item.webkitGetAsEntry(),
    handle: (item as WithHandle).getAsFileSystemHandle?.().catch(() => null) ?? null,
    file: item.getAsFile(),
  }));
  const unread: string[] = [];
  const found = await Promise.all(
    taken.map(async ({ entry, handle, file }) => {
      const own = await handle;
      if (own) return ofHandle(own, "", unread);
      if (entry) return ofEntry(entry, "", unread);
      return file ? [{ file, folder: "", handle: null }] : [];
    }),
  );
  return { found: found.flat(), unread };
}

/** One that cannot be read costs no other: its name is put to `unread`. */
async function ofHandle(handle: Handle, folder: string, unread: string[]): Promise<Found[]> {
  const found: Found[] = [];
  if (!isMeant(handle.name, folder)) return found;
  try {
    if (handle.kind === "file") return [{ file: await handle.getFile(), folder, handle }];
    const below = `${folder}${handle.name}/`;
    for await (const child of handle.values()) found.push(...(await ofHandle(child, below, unread)));
  } catch {
    unread.push(handle.name);
  }
  return sorted(found);
}

async function ofEntry(entry: FileSystemEntry, folder: string, unread: string[]): Promise<Found[]> {
  const found: Found[] = [];
  if (!isMeant(entry.name, folder)) return found;
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      return [{ file, folder, handle: null }];
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    const below = `${folder}${entry.name}/`;
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break; // it gives a hundred at a time
      for (const child of some) found.push(...(await ofEntry(child, below, unread)));
    }
  } catch {
    unread.push(entry.name);
  }
  return sorted(found);
}

function sorted(found: Found[]): Found[] {
  const path = ({ folder, file }: Found) => folder + file.name;
  return found.sort((a, b) => path(a).localeCompare(path(b), undefined, { numeric: true }));
}

function isMeant(name: string, folder: string): boolean {
  return !folder || !(SYSTEM_FILES.test(name) || /(^|\/)\./.test(folder));
}
