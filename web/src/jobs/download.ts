import { call } from "../api/client";
import type { Job, SignedLink } from "../api/types";

/** Long enough to begin a download. */
const DOWNLOAD_SECONDS = 600;

export function linkTo(job: Job, seconds: number): Promise<SignedLink> {
  return call<SignedLink>(`/jobs/${job.id}/link`, { method: "POST", body: { expires_in_seconds: seconds } });
}

/** Lets the browser fetch the file itself, so that it goes to the disk and not through the page's memory. */
export async function download(job: Job): Promise<void> {
  goTo(await linkTo(job, DOWNLOAD_SECONDS));
}

/** Several files as one ZIP, made while it is sent. */
export async function downloadArchive(ids: string[]): Promise<void> {
  goTo(await call<SignedLink>("/archives", { method: "POST", body: { jobs: ids } }));
}

/** The most that one archive takes. */
export const MOST_IN_ARCHIVE = 100;

function goTo({ url }: SignedLink): void {
  // The answer is an attachment: the page stays where it is. The origin is ours, whatever name of the service was used.
  const { pathname, search } = new URL(url, location.href);
  const anchor = document.createElement("a");
  anchor.href = `${pathname}${search}`;
  anchor.download = "";
  anchor.click();
}
