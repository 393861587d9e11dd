import type { Job } from "../api/types";
import { read, write } from "../ui/storage";
import { isUnderWay } from "./words";

/** What a person had seen when the page was last in front of them. */
export interface Seen {
  /** Jobs that had not ended. */
  open: string[];
  /** The newest job there was; identifiers sort by time, by the gateway's clock and not by this machine's. */
  newest: string;
}

/** The jobs that have ended since: those that were open, and those that did not exist yet. */
export function endedSince(seen: Seen, jobs: Job[]): Job[] {
  return jobs.filter(
    (job) =>
      (job.status === "converted" || job.status === "failed") && (seen.open.includes(job.id) || job.id > seen.newest),
  );
}

export function seenNow(jobs: Job[]): Seen {
  return {
    open: jobs.filter(isUnderWay).map(({ id }) => id),
    newest:
      jobs
        .map(({ id }) => id)
        .sort()
        .at(-1) ?? "",
  };
}

const key = (userId: string) => `mixdown.seen.${userId}`;

export function recall(userId: string): Seen | undefined {
  return read<Seen | undefined>(key(userId), undefined);
}

export function remember(userId: string, seen: Seen): void {
  write(key(userId), seen);
}
