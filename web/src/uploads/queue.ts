import type { Problem } from "../api/problem";
import { wordsFor } from "../api/problemWords";
import { refusal } from "./checks";
import { forgetHandle, handleOf, keepHandle, openHandle, type ReadableHandle } from "./handles";
import { take, takenUploads } from "./ownership";
import { fingerprintOf, forgetPending, isSameFile, type Pending, pendingUploads, rememberPending } from "./pending";
import type { Picked } from "./picking";
import { Speedometer } from "./speed";
import { discard, largestUpload, sentSoFar, Transfer } from "./transfer";

export type UploadState =
  /** Others are being sent. */
  | { kind: "waiting" }
  | { kind: "sending" }
  | { kind: "paused" }
  /** The network is away; it goes on by itself. */
  | { kind: "stalled" }
  /** Begun before this load of the page: the file must be opened again, with a click if the browser remembers it. */
  | { kind: "unopened"; isRemembered: boolean }
  /** Never sent, or given up by the service. */
  | { kind: "refused"; words: string; canTryAgain: boolean };

export interface UploadItem {
  id: string;
  name: string;
  size: number;
  sent: number;
  /** Bytes in a second. */
  speed: number | undefined;
  state: UploadState;
}

interface Entry {
  item: UploadItem;
  fingerprint: string;
  fields: Record<string, string>;
  file: File | undefined;
  handle: ReadableHandle | undefined;
  url: string | undefined;
  transfer: Transfer | undefined;
  meter: Speedometer;
  release: (() => void) | undefined;
}

/** A browser opens six connections to a host: one is the stream of events, and the page wants to stay usable. */
const AT_ONCE = 3;
/** How long until the next try when the service can't be reached and the browser says nothing of it. */
const STALLED_RETRY_MS = 3_000;

/** All uploads of this tab. Knows nothing of how it is shown. */
export class UploadQueue {
  #entries: Entry[] = [];
  #items: UploadItem[] = [];
  #maxBytes: number | undefined;
  #nextId = 1;
  #isClosed = false;
  readonly #listeners = new Set<() => void>();
  readonly #userId: string;
  readonly #onFinished: (name: string, jobId: string | undefined) => void;

  constructor(userId: string, onFinished: (name: string, jobId: string | undefined) => void) {
    this.#userId = userId;
    this.#onFinished = onFinished;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly items = (): UploadItem[] => this.#items;

  /** Finds out what there is to go on with. Gives the way to stop everything, for the end of the session. */
  open(): () => void {
    this.#isClosed = false;
    const onOnline = () => this.#goOn();
    addEventListener("online", onOnline);
    const timer = setInterval(onOnline, STALLED_RETRY_MS);
    void largestUpload().then(
      (bytes) => {
        this.#maxBytes = bytes;
      },
      () => undefined,
    );
    void this.#restore();
    return () => {
      this.#isClosed = true;
      removeEventListener("online", onOnline);
      clearInterval(timer);
      for (const entry of this.#entries) {
        entry.transfer?.stop();
        entry.release?.();
      }
      this.#entries = [];
      this.#publish();
    };
  }

  /** Takes files in; those that can't be right are shown with the reason and not sent. */
  add(picked: Picked[], fields: Record<string, string>): void {
    for (const { file, handle } of picked) void this.#addOne(file, handle, fields);
  }

  pause(id: string): void {
    const entry = this.#find(id);
    if (!entry) return;
    entry.transfer?.stop();
    this.#become(entry, { kind: "paused" });
    this.#startNext();
  }

  resume(id: string): void {
    const entry = this.#find(id);
    if (!entry) return;
    this.#become(entry, { kind: "waiting" });
    this.#startNext();
  }

  /** Goes on with an upload from before, with the file that the browser remembers. */
  async reopen(id: string): Promise<void> {
    const entry = this.#find(id);
    if (!entry?.handle) return;
    const file = await openHandle(entry.handle, true);
    if (file && fingerprintOf(file, entry.fields) === entry.fingerprint) await this.#continue(entry, file);
    else this.#become(entry, { kind: "unopened", isRemembered: false });
  }

  /** Stops it and deletes what has arrived, or takes a refused one out of sight. */
  cancel(id: string): void {
    const entry = this.#find(id);
    if (!entry) return;
    entry.transfer?.stop();
    this.#remove(entry);
    // What the gateway doesn't hear of now it lets expire.
    if (entry.url) void discard(entry.url).catch(() => undefined);
  }

  async #addOne(file: File, handle: FileSystemFileHandle | undefined, fields: Record<string, string>): Promise<void> {
    const reason = refusal(file, this.#maxBytes);
    if (reason !== undefined) {
      this.#entries.push(this.#entry(file, fields, { kind: "refused", words: reason, canTryAgain: false }));
      this.#publish();
      return;
    }
    // Picked again to go on with it, whatever the options say now.
    const unopened = this.#entries.find(
      (entry) => entry.item.state.kind === "unopened" && isSameFile(pendingOf(entry), file),
    );
    if (unopened) {
      await this.#continue(unopened, file);
      return;
    }
    if (
      this.#entries.some(
        (entry) => entry.fingerprint === fingerprintOf(file, fields) && entry.item.state.kind !== "refused",
      )
    )
      return;
    const entry = this.#entry(file, fields, { kind: "waiting" });
    entry.handle = handle;
    entry.file = file;
    this.#entries.push(entry);
    this.#publish();
    this.#startNext();
  }

  #entry(
    file: { name: string; size: number } & Partial<File>,
    fields: Record<string, string>,
    state: UploadState,
  ): Entry {
    const item = { id: `upload-${this.#nextId++}`, name: file.name, size: file.size, sent: 0, speed: undefined, state };
    return {
      item,
      fingerprint: fingerprintOf(file as File, fields),
      fields,
      file: undefined,
      handle: undefined,
      url: undefined,
      transfer: undefined,
      meter: new Speedometer(),
      release: undefined,
    };
  }

  /** Shows the uploads that a reload, a crash or another day has interrupted, and goes on with those whose file is at hand. */
  async #restore(): Promise<void> {
    const taken = await takenUploads();
    for (const pending of pendingUploads(this.#userId)) {
      if (!taken.has(pending.fingerprint) && !this.#isClosed) await this.#restoreOne(pending);
    }
  }

  async #restoreOne(pending: Pending): Promise<void> {
    let sent: number | undefined = 0;
    try {
      sent = await sentSoFar(pending.url);
    } catch {
      // Shown all the same: the gateway says more when it is back.
    }
    if (sent === undefined) {
      forgetPending(this.#userId, pending.fingerprint);
      void forgetHandle(pending.fingerprint);
      return;
    }
    const handle = await handleOf(pending.fingerprint);
    // The load of the page may be over, or the person was quicker and has picked the file again.
    if (this.#isClosed || this.#entries.some(({ fingerprint }) => fingerprint === pending.fingerprint)) return;
    const entry = this.#entry(pending, pending.fields, { kind: "unopened", isRemembered: handle !== undefined });
    Object.assign(entry, { fingerprint: pending.fingerprint, url: pending.url, handle });
    entry.item = { ...entry.item, sent };
    this.#entries.push(entry);
    this.#publish();
    const file = handle && (await openHandle(handle, false));
    if (file && fingerprintOf(file, entry.fields) === entry.fingerprint) await this.#continue(entry, file);
  }

  async #continue(entry: Entry, file: File): Promise<void> {
    entry.file = file;
    this.#become(entry, { kind: "waiting" });
    this.#startNext();
  }

  /** The network is back, or may be: a browser that thinks to be offline still reaches a service on the same machine. */
  #goOn(): void {
    for (const entry of this.#entries) {
      // It is shown as stalled until bytes go again: a try alone is no news.
      if (entry.item.state.kind === "stalled" && !entry.transfer?.isActive) void this.#send(entry);
    }
    this.#startNext();
  }

  #startNext(): void {
    for (const entry of this.#entries) {
      const underWay = this.#entries.filter(isUnderWay).length;
      if (underWay >= AT_ONCE) return;
      if (entry.item.state.kind === "waiting") void this.#send(entry);
    }
  }

  async #send(entry: Entry): Promise<void> {
    const { file } = entry;
    if (file === undefined) return;
    if (entry.item.state.kind !== "stalled") this.#become(entry, { kind: "sending" });
    entry.release ??= await take(entry.fingerprint);
    if (entry.release === undefined) {
      const words = "Another window is sending this file already.";
      this.#become(entry, { kind: "refused", words, canTryAgain: true });
      this.#startNext();
      return;
    }
    if (!isUnderWay(entry)) return;
    if (entry.handle) void keepHandle(entry.fingerprint, entry.handle);
    entry.meter.reset();
    entry.transfer ??= this.#transferOf(entry, file);
    await entry.transfer.start();
  }

  #transferOf(entry: Entry, file: File): Transfer {
    return new Transfer(
      { file, fields: entry.fields, url: entry.url },
      {
        onUrl: (url) => {
          entry.url = url;
          rememberPending(this.#userId, pendingOf(entry));
        },
        onProgress: (sent) => {
          if (!isUnderWay(entry)) return;
          entry.meter.add(sent, performance.now());
          entry.item = { ...entry.item, state: { kind: "sending" }, sent, speed: entry.meter.speed() };
          this.#publish();
        },
        onFinished: (jobId) => {
          this.#remove(entry);
          this.#onFinished(entry.item.name, jobId);
        },
        onFailed: (problem) => this.#failed(entry, problem),
      },
    );
  }

  #failed(entry: Entry, problem: Problem): void {
    // Stopped by hand meanwhile.
    if (!isUnderWay(entry)) return;
    if (problem.code === "no_connection") {
      this.#become(entry, { kind: "stalled" });
    } else {
      entry.transfer = undefined;
      if ([403, 404, 410].includes(problem.status)) {
        // The gateway has nothing of it any more: another try begins from the first byte.
        entry.url = undefined;
        forgetPending(this.#userId, entry.fingerprint);
      }
      this.#become(entry, { kind: "refused", words: wordsFor(problem), canTryAgain: true });
    }
    this.#startNext();
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    forgetPending(this.#userId, entry.fingerprint);
    void forgetHandle(entry.fingerprint);
    entry.release?.();
    this.#publish();
    this.#startNext();
  }

  #become(entry: Entry, state: UploadState): void {
    entry.item = { ...entry.item, state, speed: state.kind === "sending" ? entry.item.speed : undefined };
    this.#publish();
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find(({ item }) => item.id === id);
  }

  #publish(): void {
    this.#items = this.#entries.map(({ item }) => item);
    for (const listener of this.#listeners) listener();
  }
}

function isUnderWay({ item }: Entry): boolean {
  return item.state.kind === "sending" || item.state.kind === "stalled";
}

function pendingOf({ fingerprint, url, item, fields }: Entry): Pending {
  return { fingerprint, url: url ?? "", name: item.name, size: item.size, fields };
}
