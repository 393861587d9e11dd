import { useState } from "react";
import type { Job } from "../api/types";
import { PlayButton, usePlayer } from "../player/PlayButton";
import { Waveform } from "../player/Waveform";
import { Bars } from "../ui/Bars";
import { bytes, clock } from "../ui/format";
import { Icon } from "../ui/Icon";
import { told } from "../ui/told";
import { download } from "./download";
import { failureWords } from "./failures";
import { JobDetails } from "./JobDetails";
import { RemoveJob } from "./RemoveJob";
import { retry } from "./retry";
import { ago, expiryOf, formatOf, isUnderWay, qualityOf, stateOf, titleOf } from "./words";
import "./JobRow.css";

interface JobRowProps {
  job: Job;
  now: Date;
  /** Whether it is chosen; `undefined` while nobody chooses. */
  isChosen: boolean | undefined;
  onChoose: (isChosen: boolean) => void;
}

/** One video and what became of it. */
export function JobRow({ job, now, isChosen, onChoose }: JobRowProps) {
  const [isOpen, setOpen] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const title = titleOf(job);
  return (
    <li className={`job job-${job.status}`}>
      <div className="job-lead">
        {isChosen === undefined || job.status !== "converted" ? (
          <Lead job={job} title={title} />
        ) : (
          <input
            type="checkbox"
            className="job-choice"
            checked={isChosen}
            aria-label={`Choose ${title}`}
            onChange={(event) => onChoose(event.target.checked)}
          />
        )}
      </div>
      <div className="job-words">
        <h3>{title}</h3>
        <Facts job={job} now={now} />
      </div>
      <Middle job={job} title={title} />
      <div className="job-actions">
        {job.status === "converted" && (
          <button
            type="button"
            className="icon-button"
            aria-label={`Download ${title}`}
            onClick={() => void told(download(job))}
          >
            <Icon name="download" />
          </button>
        )}
        {job.error && failureWords(job.error.code, job.error.text).isWorthRetrying && (
          <button type="button" className="button" onClick={() => void retry(job)}>
            <Icon name="retry" /> Try again
          </button>
        )}
        {job.status === "converted" && (
          <button
            type="button"
            className={isOpen ? "icon-button is-open" : "icon-button"}
            aria-label={`More about ${title}`}
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            <Icon name="chevron" />
          </button>
        )}
        {job.status !== "converted" && (
          <button
            type="button"
            className="icon-button"
            aria-label={isUnderWay(job) ? `Cancel ${title}` : `Delete ${title}`}
            onClick={() => setRemoving(true)}
          >
            <Icon name={isUnderWay(job) ? "close" : "trash"} />
          </button>
        )}
      </div>
      {isOpen && <JobDetails job={job} now={now} onRemove={() => setRemoving(true)} />}
      {isRemoving && <RemoveJob job={job} onClose={() => setRemoving(false)} />}
    </li>
  );
}

function Lead({ job, title }: { job: Job; title: string }) {
  if (job.status === "converted") return <PlayButton jobId={job.id} title={title} />;
  return (
    <span className={`job-mark job-mark-${job.status}`} aria-hidden="true">
      {isUnderWay(job) ? <span className="job-pulse" /> : <Icon name={job.status === "failed" ? "close" : "check"} />}
    </span>
  );
}

function Facts({ job, now }: { job: Job; now: Date }) {
  const playing = usePlayer(job.id);
  if (playing?.error) return <p className="job-facts is-bad">{playing.error}</p>;
  if (job.status !== "converted" || !job.audio) {
    return (
      <p className="job-facts">
        {stateOf(job)}
        {!isUnderWay(job) && <span> · {ago(job, now)}</span>}
      </p>
    );
  }
  const expiry = expiryOf(job, now);
  return (
    <p className="job-facts">
      {[formatOf(job), qualityOf(job), bytes(job.audio.bytes)].filter(Boolean).join(" · ")}
      {expiry?.isSoon && <span className="job-soon"> · {expiry.words}</span>}
    </p>
  );
}

function Middle({ job, title }: { job: Job; title: string }) {
  if (job.status === "converted" && job.audio) {
    return (
      <div className="job-middle">
        <Waveform jobId={job.id} title={title} seconds={job.audio.duration_seconds} />
      </div>
    );
  }
  if (isUnderWay(job)) {
    return (
      <div className="job-middle">
        <Bars
          seed={job.source.name}
          ratio={job.progress.ratio}
          label={`Conversion of ${title}`}
          text={stateOf(job)}
          isStill={job.status === "queued"}
        />
      </div>
    );
  }
  if (job.error) {
    const { what, todo } = failureWords(job.error.code, job.error.text);
    return (
      <p className="job-middle job-reason">
        <strong>{what}</strong> {todo}
      </p>
    );
  }
  const length = job.source.duration_seconds ? `, ${clock(job.source.duration_seconds)}` : "";
  return (
    <p className="job-middle job-reason">
      {job.status === "expired"
        ? "Its time was over, and the file was deleted. Drop the video again if you need it."
        : "You cancelled it."}{" "}
      It was {job.source.name}
      {length}.
    </p>
  );
}
