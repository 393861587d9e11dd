import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { call } from "../api/client";
import type { Job } from "../api/types";
import { useJobCache } from "../jobs/useJobs";
import { type UploadItem, UploadQueue } from "./queue";

export interface Uploads {
  queue: UploadQueue;
  items: UploadItem[];
}

export const UploadsContext = createContext<Uploads | undefined>(undefined);

export function useUploads(): Uploads {
  const uploads = useContext(UploadsContext);
  if (uploads === undefined) throw new Error("outside of the shell");
  return uploads;
}

/** The uploads of a session. They go on whatever page is shown. */
export function useUploadQueue(userId: string): Uploads {
  const cache = useJobCache();
  const [queue] = useState(
    () =>
      new UploadQueue(userId, async (_, jobId) => {
        // The event may take a moment, or the stream may be away just now: the row shall not vanish meanwhile.
        if (jobId === undefined) return;
        const job = await call<Job>(`/jobs/${jobId}`).catch(() => undefined);
        if (job) cache.put(job);
      }),
  );
  useEffect(() => queue.open(), [queue]);
  const items = useSyncExternalStore(queue.subscribe, queue.items);
  return { queue, items };
}
