import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Job } from "../api/types";
import { toast } from "../ui/toasts";
import { allJobs, type Pages } from "./listing";
import { endedSince, recall, remember, type Seen, seenNow } from "./news";
import { isUnderWay, titleOf } from "./words";

const EVERYTHING = ["jobs", { text: "", status: undefined }];

/**
 * What has ended while the page was closed or out of sight. `onJob` is for each change that is told while it is open: what
 * ends before somebody's eyes is a message and no news.
 */
export function useNews(userId: string) {
  const client = useQueryClient();
  const [news, setNews] = useState<Job[]>([]);
  const ended = useRef(new Set<string>());

  useEffect(() => {
    let before: Seen | undefined = recall(userId);
    const look = () => {
      const listing = client.getQueryData<Pages>(EVERYTHING);
      if (!listing || document.hidden) return;
      const jobs = allJobs(listing);
      if (before) {
        const found = endedSince(before, jobs).filter(({ id }) => !ended.current.has(id));
        if (found.length > 0)
          setNews((known) => [...found, ...known.filter(({ id }) => found.every((job) => job.id !== id))]);
      }
      before = seenNow(jobs);
      remember(userId, before);
    };
    look();
    const unsubscribe = client.getQueryCache().subscribe(({ query, type }) => {
      if (type === "updated" && JSON.stringify(query.queryKey) === JSON.stringify(EVERYTHING)) look();
    });
    document.addEventListener("visibilitychange", look);
    return () => {
      unsubscribe();
      document.removeEventListener("visibilitychange", look);
    };
  }, [client, userId]);

  const onJob = useCallback(
    (job: Job) => {
      if ((job.status !== "converted" && job.status !== "failed") || document.hidden || ended.current.has(job.id))
        return;
      // Its mail was sent, or the like: it had ended before.
      const listed = allJobs(client.getQueryData<Pages>(EVERYTHING)).find(({ id }) => id === job.id);
      if (listed && !isUnderWay(listed)) return;
      ended.current.add(job.id);
      if (job.status === "converted") toast(`${titleOf(job)} is ready.`);
      else toast(`${titleOf(job)} did not work. The list says why.`, "bad");
    },
    [client],
  );

  return { news, clear: () => setNews([]), onJob };
}
