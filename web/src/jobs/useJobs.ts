import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { call } from "../api/client";
import type { Job, JobPage } from "../api/types";
import { session } from "../auth/session";
import { player } from "../player/audio";
import { type Filter, newer, withJob, withoutJob } from "./listing";
import type { Connection, Hooks } from "./live";
import { followTogether, whileInSight } from "./sharing";

type Listing = InfiniteData<JobPage, string | undefined>;

const KEY = "jobs";

/** The pages of the list, newest first. They are kept current by `useLiveJobs`, so nothing is ever asked for twice. */
export function useJobs(filter: Filter) {
  return useInfiniteQuery({
    queryKey: [KEY, filter],
    queryFn: async ({ pageParam, signal }) =>
      current(await call<JobPage>(`/jobs?${query(filter, pageParam)}`, { signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (previous) => previous,
  });
}

function query({ text, status }: Filter, cursor: string | undefined): URLSearchParams {
  const parameters = new URLSearchParams({ limit: "20" });
  if (text.trim() !== "") parameters.set("q", text.trim());
  if (status !== undefined) parameters.set("status", status);
  if (cursor !== undefined) parameters.set("cursor", cursor);
  return parameters;
}

// An answer may have been on its way while an event told something newer. `null` is a job that was removed.
const told = new Map<string, Job | null>();

/** Forgets one person's jobs before the next one comes. */
export function forgetJobs(): void {
  told.clear();
}

function current(page: JobPage): JobPage {
  const jobs = page.jobs.flatMap((job) => {
    const known = told.get(job.id);
    if (known === null) return [];
    return [known ? newer(job, known) : job];
  });
  return { ...page, jobs };
}

/** Changes the lists that are kept, all filters of them. */
export function useJobCache() {
  const client = useQueryClient();
  const [cache] = useState(() => ({
    put: (job: Job) => {
      told.set(job.id, job);
      each((filter, listing) => withJob(listing, filter, job) as Listing);
    },
    remove: (id: string) => {
      told.set(id, null);
      player.stop(id);
      client.removeQueries({ queryKey: ["peaks", id] });
      client.removeQueries({ queryKey: ["cover", id] });
      each((_, listing) => withoutJob(listing, id) as Listing);
    },
    reload: () => void client.invalidateQueries({ queryKey: [KEY] }),
  }));
  return cache;

  function each(change: (filter: Filter, listing: Listing) => Listing): void {
    for (const [key, listing] of client.getQueriesData<Listing>({ queryKey: [KEY] })) {
      if (listing) client.setQueryData(key, change(key[1] as Filter, listing));
    }
  }
}

/** Keeps somebody's lists current by the stream of events; whether it flows. */
export function useLiveJobs(userId: string, onJob: (job: Job) => void): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const cache = useJobCache();
  const latest = useRef(onJob);
  useEffect(() => {
    latest.current = onJob;
  }, [onJob]);
  useEffect(() => {
    const hooks: Hooks = {
      accessToken: () => session.accessToken(),
      forget: (token) => session.forget(token),
      onConnection: setConnection,
      // What happened before is not told again.
      onOpen: cache.reload,
      onEvent: ({ name, data }) => {
        if (name === "job") {
          const job = JSON.parse(data) as Job;
          // First who wants to know what it was before.
          latest.current(job);
          cache.put(job);
        } else if (name === "removed") {
          cache.remove((JSON.parse(data) as { id: string }).id);
        }
      },
    };
    return whileInSight(() => followTogether(`mixdown.jobs.${userId}`, "/jobs/events", hooks));
  }, [cache, userId]);
  return connection;
}
