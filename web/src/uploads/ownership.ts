// Which tab works on which upload. Two tabs that send the same bytes would only be in each other's way.

const nameOf = (fingerprint: string) => `mixdown.upload.${fingerprint}`;

/** Takes an upload for this tab until `release` is called or the tab goes; `undefined` if another tab has it. */
export function take(fingerprint: string): Promise<(() => void) | undefined> {
  // No locks without https; then the gateway's own lock on the upload must do.
  if (!navigator.locks) return Promise.resolve(() => undefined);
  return new Promise((resolve) => {
    void navigator.locks.request(nameOf(fingerprint), { ifAvailable: true }, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    });
  });
}

/** The uploads that some tab works on. */
export async function takenUploads(): Promise<Set<string>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  const prefix = nameOf("");
  return new Set(held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : [])));
}
