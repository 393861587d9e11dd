import { isLikelyMedia } from "./checks";

/** A file that somebody dropped or picked, with the way to open it again where the browser gives one. */
export interface Picked {
  file: File;
  handle?: FileSystemFileHandle;
}

export interface Pick {
  files: Picked[];
  /** How many files of dropped folders were no videos. */
  leftOut: number;
}

/** More than anybody wants to watch; a whole disk dropped by mistake ends here. */
const MOST_FILES = 500;

/** Everything that was dropped, folders with all that is in them. Call it in the event itself: the browser forgets the items after it. */
export function dropped(transfer: DataTransfer): Promise<Pick> {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const reading = items.map((item) => {
    const entry = item.webkitGetAsEntry?.() ?? null;
    const file = item.getAsFile();
    const handle =
      "getAsFileSystemHandle" in item
        ? (item.getAsFileSystemHandle as () => Promise<FileSystemHandle | null>)()
        : undefined;
    return { entry, file, handle };
  });
  return collect(reading);
}

interface DroppedItem {
  entry: FileSystemEntry | null;
  file: File | null;
  handle: Promise<FileSystemHandle | null> | undefined;
}

async function collect(items: DroppedItem[]): Promise<Pick> {
  const pick: Pick = { files: [], leftOut: 0 };
  for (const { entry, file, handle } of items) {
    if (entry?.isDirectory) {
      await walk(entry as FileSystemDirectoryEntry, pick);
    } else if (file !== null) {
      const known = await handle?.catch(() => null);
      pick.files.push(known?.kind === "file" ? { file, handle: known as FileSystemFileHandle } : { file });
    }
  }
  return pick;
}

async function walk(folder: FileSystemDirectoryEntry, pick: Pick): Promise<void> {
  for (const entry of await entriesOf(folder)) {
    if (pick.files.length >= MOST_FILES) return;
    if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, pick);
    else addFromFolder(await fileOf(entry as FileSystemFileEntry), pick);
  }
}

function addFromFolder(file: File, pick: Pick): void {
  if (isLikelyMedia(file)) pick.files.push({ file });
  else pick.leftOut += 1;
}

/** What an `<input type="file">` gave; with `webkitdirectory` that is a folder. */
export function chosen(list: FileList | null, isFolder: boolean): Pick {
  const pick: Pick = { files: [], leftOut: 0 };
  for (const file of list ?? []) {
    if (!isFolder) pick.files.push({ file });
    else if (pick.files.length < MOST_FILES) addFromFolder(file, pick);
  }
  return pick;
}

/** A folder's entries come in portions of a hundred; the empty one is the last. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return all;
    all.push(...portion);
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
