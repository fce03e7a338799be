/** Dropped or chosen files, with their folders. */
import type { FileHandle } from "./storage.js";

/** `folder`: "courses/2024/" within the drop, or "". `handle`: makes the file readable after a reload. */
export interface Found {
  file: File;
  folder: string;
  handle: FileHandle | null;
}

/** The content of a drop. `unread`: names of files that are gone or that the browser may not read. */
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

const ORDER = new Intl.Collator(undefined, { numeric: true });
const SYSTEM_FILES = /^(\..*|Thumbs\.db|desktop\.ini)$/i; // They are never uploaded.

/** The files of an `<input>`, with folders if it is for a folder. */
export function chosen(input: HTMLInputElement): Found[] {
  return [...(input.files ?? [])].map((file) => {
    const path = file.webkitRelativePath;
    return { file, folder: path.slice(0, path.lastIndexOf("/") + 1), handle: null };
  }).filter(({ file, folder }) => isMeant(file.name, folder));
}

/** The files of a drop, with all subfolders. Call it within the event: afterwards the drop is empty. */
export async function dropped(data: DataTransfer): Promise<Dropped> {
  const items = [...data.items].filter(({ kind }) => kind === "file");
  const taken = items.map((item) => ({
    entry: item.webkitGetAsEntry(),
    handle: (item as WithHandle).getAsFileSystemHandle?.().catch(() => null) ?? null,
    file: item.getAsFile(),
  }));
  const all = await Promise.all(
    taken.map(async ({ entry, handle, file }) => {
      const into: Dropped = { found: [], unread: [] };
      const own = await handle;
      if (own) await ofHandle(own, "", into);
      else if (entry) await ofEntry(entry, "", into);
      else if (file) into.found.push({ file, folder: "", handle: null });
      return into;
    }),
  );
  return { found: all.flatMap(({ found }) => sorted(found)), unread: all.flatMap(({ unread }) => unread) };
}

/** An unreadable file does not affect the others. */
async function ofHandle(handle: Handle, folder: string, into: Dropped): Promise<void> {
  if (!isMeant(handle.name, folder)) return;
  try {
    if (handle.kind === "file") into.found.push({ file: await handle.getFile(), folder, handle });
    else for await (const child of handle.values()) await ofHandle(child, `${folder}${handle.name}/`, into);
  } catch {
    into.unread.push(handle.name);
  }
}

async function ofEntry(entry: FileSystemEntry, folder: string, into: Dropped): Promise<void> {
  if (!isMeant(entry.name, folder)) return;
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      into.found.push({ file, folder, handle: null });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return; // the browser returns a hundred at a time
      for (const child of some) await ofEntry(child, `${folder}${entry.name}/`, into);
    }
  } catch {
    into.unread.push(entry.name);
  }
}

function sorted(found: Found[]): Found[] {
  const path = ({ folder, file }: Found) => folder + file.name;
  return found.sort((a, b) => ORDER.compare(path(a), path(b)));
}

function isMeant(name: string, folder: string): boolean {
  return !folder || !(SYSTEM_FILES.test(name) || /(^|\/)\./.test(folder));
}
