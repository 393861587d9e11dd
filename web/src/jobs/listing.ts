import type { Job, JobPage, JobStatus } from "../api/types";

/** What the list is asked for. */
export interface Filter {
  text: string;
  status: JobStatus | undefined;
}

export interface Pages {
  pages: JobPage[];
  pageParams: unknown[];
}

/** Whether a job is among those asked for, by the same rule as the gateway's. */
export function matches(job: Job, filter: Filter): boolean {
  if (filter.status !== undefined && job.status !== filter.status) return false;
  const wanted = filter.text.trim().toLowerCase();
  return (
    wanted === "" ||
    job.source.name.toLowerCase().includes(wanted) ||
    (job.options.title ?? "").toLowerCase().includes(wanted)
  );
}

/** The pages with a job's new version in them: replaced, put in front if it is new, or taken out if it matches no more. */
export function withJob(pages: Pages, filter: Filter, job: Job): Pages {
  const isListed = pages.pages.some((page) => page.jobs.some(({ id }) => id === job.id));
  if (!matches(job, filter)) return isListed ? withoutJob(pages, job.id) : pages;
  if (isListed) {
    return mapJobs(pages, (jobs) => jobs.map((listed) => (listed.id === job.id ? newer(listed, job) : listed)));
  }
  // Identifiers sort by time: one that is older than all we have belongs to a page that is not loaded yet.
  const [first, ...others] = pages.pages;
  if (first === undefined) return pages;
  const last = pages.pages.at(-1);
  const oldest = last?.jobs.at(-1);
  if (oldest !== undefined && job.id < oldest.id && last?.next_cursor) return pages;
  const jobs = [...first.jobs, job].sort((a, b) => (a.id < b.id ? 1 : -1));
  return { ...pages, pages: [{ ...first, jobs }, ...others] };
}

export function withoutJob(pages: Pages, id: string): Pages {
  return mapJobs(pages, (jobs) => jobs.filter((job) => job.id !== id));
}

export function allJobs(pages: Pages | undefined): Job[] {
  const seen = new Set<string>();
  // A job that arrived between two pages' requests is on both.
  return (pages?.pages ?? []).flatMap(({ jobs }) => jobs).filter(({ id }) => !seen.has(id) && seen.add(id));
}

/** The later of two versions of a job: an event can overtake the answer to a request, and the other way round. */
export function newer(listed: Job, job: Job): Job {
  return Date.parse(job.updated_at) >= Date.parse(listed.updated_at) ? job : listed;
}

function mapJobs(pages: Pages, change: (jobs: Job[]) => Job[]): Pages {
  return { ...pages, pages: pages.pages.map((page) => ({ ...page, jobs: change(page.jobs) })) };
}
