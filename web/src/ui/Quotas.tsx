import type { QuotaReport } from "../api/types";
import { bytes, plural } from "./format";
import "./Quotas.css";

/** What an account takes up, and the most that it may. */
export function Quotas({ report }: { report: QuotaReport }) {
  return (
    <dl className="quotas">
      <Quota name="Stored" used={report.stored_bytes} most={report.max_stored_bytes} inWords={bytes} />
      <Quota
        name="Converted today"
        used={Math.ceil(report.minutes_today)}
        most={report.max_minutes_per_day}
        inWords={(minutes) => plural(minutes, "minute")}
      />
      <Quota
        name="Waiting or running"
        used={report.unfinished_jobs}
        most={report.max_unfinished_jobs}
        inWords={(jobs) => plural(jobs, "video")}
      />
    </dl>
  );
}

type QuotaProps = { name: string; used: number; most: number; inWords: (count: number) => string };

function Quota({ name, used, most, inWords }: QuotaProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {inWords(used)} of {inWords(most)}
        {/* The words say it all. */}
        <progress value={Math.min(used, most)} max={most} aria-hidden="true" />
      </dd>
    </div>
  );
}
