// Where the browser can (File System Access), the page remembers which file an unfinished upload was of, so that after a
// reload nobody has to look for it again. A handle is not the file: the browser asks before it opens it.

const DATABASE = "mixdown";
const STORE = "files";

/** The parts of the interface that TypeScript's DOM library does not have yet. */
export interface ReadableHandle extends FileSystemFileHandle {
  queryPermission?(descriptor: { mode: "read" }): Promise<PermissionState>;
  requestPermission?(descriptor: { mode: "read" }): Promise<PermissionState>;
}

export async function keepHandle(fingerprint: string, handle: FileSystemFileHandle): Promise<void> {
  await within("readwrite", (store) => store.put(handle, fingerprint)).catch(() => undefined);
}

export async function forgetHandle(fingerprint: string): Promise<void> {
  await within("readwrite", (store) => store.delete(fingerprint)).catch(() => undefined);
}

export async function handleOf(fingerprint: string): Promise<ReadableHandle | undefined> {
  return within<ReadableHandle | undefined>("readonly", (store) => store.get(fingerprint)).catch(() => undefined);
}

/** The file, if the browser lets us; with `ask` it may show a question, which needs a click that has just happened. */
export async function openHandle(handle: ReadableHandle, ask: boolean): Promise<File | undefined> {
  try {
    let permission = (await handle.queryPermission?.({ mode: "read" })) ?? "prompt";
    if (permission === "prompt" && ask) permission = (await handle.requestPermission?.({ mode: "read" })) ?? "denied";
    return permission === "granted" ? await handle.getFile() : undefined;
  } catch {
    // Moved or deleted since.
    return undefined;
  }
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await settled<IDBDatabase>(open());
  try {
    return await settled<T>(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function open(): IDBOpenDBRequest {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return request;
}

function settled<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}
