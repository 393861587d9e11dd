import { read, write } from "../ui/storage";

/** An upload that has begun and not ended: what is needed to go on with it, after a reload as well. */
export interface Pending {
  fingerprint: string;
  /** Its address at the gateway, which is worth nothing without the owner's token. */
  url: string;
  name: string;
  size: number;
  fields: Record<string, string>;
}

const key = (userId: string) => `mixdown.uploads.${userId}`;

export function pendingUploads(userId: string): Pending[] {
  return read<Pending[]>(key(userId), []);
}

export function rememberPending(userId: string, pending: Pending): void {
  write(key(userId), [
    ...pendingUploads(userId).filter(({ fingerprint }) => fingerprint !== pending.fingerprint),
    pending,
  ]);
}

export function forgetPending(userId: string, fingerprint: string): void {
  write(
    key(userId),
    pendingUploads(userId).filter((pending) => pending.fingerprint !== fingerprint),
  );
}

/** Tells files apart without reading them; the same file with other options is another upload. */
export function fingerprintOf(file: File, fields: Record<string, string>): string {
  const options = Object.entries(fields).sort().flat();
  return JSON.stringify([file.name, file.size, file.lastModified, ...options]);
}

/** Whether a file that was picked again can be the one of an unfinished upload. */
export function isSameFile(pending: Pending, file: File): boolean {
  const [name, size, lastModified] = JSON.parse(pending.fingerprint) as unknown[];
  return name === file.name && size === file.size && lastModified === file.lastModified;
}
