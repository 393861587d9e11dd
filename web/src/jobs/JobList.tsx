import { type ReactNode, useDeferredValue, useEffect, useId, useMemo, useState } from "react";
import { wordsFor } from "../api/problemWords";
import type { JobStatus } from "../api/types";
import { plural } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { told } from "../ui/told";
import { downloadArchive, MOST_IN_ARCHIVE } from "./download";
import { JobRow } from "./JobRow";
import { allJobs, type Filter } from "./listing";
import { useJobs } from "./useJobs";
import "./JobList.css";

const STATUSES: [JobStatus | "", string][] = [
  ["", "All"],
  ["converted", "Ready"],
  ["converting", "In the making"],
  ["queued", "Waiting"],
  ["failed", "Did not work"],
  ["cancelled", "Cancelled"],
  ["expired", "Expired"],
];

/** The history: everything that was uploaded, newest first. */
export function JobList({ empty }: { empty: ReactNode }) {
  const [filter, setFilter] = useState<Filter>({ text: "", status: undefined });
  const settled = useSettled(filter);
  const list = useJobs(settled);
  const jobs = useMemo(() => allJobs(list.data), [list.data]);
  const now = useNow();
  const [chosen, setChosen] = useState<Set<string>>();
  const isFiltered = settled.text !== "" || settled.status !== undefined;
  // The answer to another question, which is shown until this one's is there, says nothing about that.
  if (list.isSuccess && !list.isPlaceholderData && jobs.length === 0 && !isFiltered && filter.text === "") return empty;
  const choosable = jobs.filter(({ status }) => status === "converted");
  return (
    <section className="jobs" aria-labelledby="jobs-heading">
      <div className="jobs-head">
        <h2 id="jobs-heading" tabIndex={-1}>
          Your music
        </h2>
        <Filters filter={filter} onChange={setFilter} />
        {choosable.length > 1 && (
          <button
            type="button"
            className="button button-quiet"
            aria-pressed={chosen !== undefined}
            onClick={() => setChosen(chosen ? undefined : new Set())}
          >
            {chosen ? "Done" : "Choose several"}
          </button>
        )}
      </div>
      {list.isError && <Notice tone="bad">{wordsFor(list.error)}</Notice>}
      {list.isPending && <p className="quiet">One moment…</p>}
      {list.isSuccess && jobs.length === 0 && (
        <p className="jobs-nothing">Nothing found. Try another word, or look at all of them.</p>
      )}
      <ul className="jobs-list">
        {jobs.map((job) => (
          <JobRow
            key={job.id}
            job={job}
            now={now}
            isChosen={chosen?.has(job.id)}
            onChoose={(isChosen) =>
              setChosen((before) => {
                const after = new Set(before);
                if (isChosen) after.add(job.id);
                else after.delete(job.id);
                return after;
              })
            }
          />
        ))}
      </ul>
      {list.hasNextPage && (
        <p className="jobs-more">
          <button
            type="button"
            className="button"
            disabled={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {list.isFetchingNextPage ? "One moment…" : "Show older ones"}
          </button>
        </p>
      )}
      {chosen && (
        <Choice
          ids={choosable.map(({ id }) => id).filter((id) => chosen.has(id))}
          all={choosable.map(({ id }) => id)}
          onChange={setChosen}
        />
      )}
    </section>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const status = useId();
  return (
    <search className="jobs-filters">
      <label className="jobs-search">
        <Icon name="search" />
        <span className="hidden">Search your music</span>
        <input
          type="search"
          placeholder="Search"
          value={filter.text}
          onChange={(event) => onChange({ ...filter, text: event.target.value })}
        />
      </label>
      <div>
        <label className="hidden" htmlFor={status}>
          Show
        </label>
        <select
          id={status}
          value={filter.status ?? ""}
          onChange={(event) =>
            onChange({ ...filter, status: (event.target.value || undefined) as JobStatus | undefined })
          }
        >
          {STATUSES.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
    </search>
  );
}

/** What can be done with the chosen ones. */
function Choice({
  ids,
  all,
  onChange,
}: {
  ids: string[];
  all: string[];
  onChange: (chosen: Set<string> | undefined) => void;
}) {
  const isTooMany = ids.length > MOST_IN_ARCHIVE;
  return (
    <div className="jobs-choice" role="toolbar" aria-label="With the chosen files">
      <p aria-live="polite">
        {isTooMany ? `${MOST_IN_ARCHIVE} files at most` : `${plural(ids.length, "file")} chosen`}
      </p>
      <button type="button" className="button button-quiet" onClick={() => onChange(new Set(all))}>
        All
      </button>
      <button
        type="button"
        className="button button-primary"
        disabled={ids.length === 0 || isTooMany}
        onClick={async () => {
          if (await told(downloadArchive(ids))) onChange(undefined);
        }}
      >
        <Icon name="download" /> Download as ZIP
      </button>
    </div>
  );
}

/** How long somebody who types pauses before it is worth asking. */
const TYPING_MS = 250;

function useSettled(filter: Filter): Filter {
  const [settled, setSettled] = useState(filter);
  useEffect(() => {
    if (filter.status !== settled.status) {
      setSettled(filter);
      return;
    }
    const timer = setTimeout(() => setSettled(filter), TYPING_MS);
    return () => clearTimeout(timer);
  }, [filter, settled.status]);
  return useDeferredValue(settled);
}

/** The time, as "in 3 hours" needs it: by the minute. */
function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 60_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
