import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { QuotaReport } from "../api/types";
import { bytes, plural } from "./format";
import { Notice } from "./Notice";
import "./Quotas.css";

/** What an account takes up, and the most that it may. */
export function Quotas({ path }: { path: "/me/usage" | `/admin/users/${string}/usage` }) {
  const usage = useQuery({ queryKey: ["usage", path], queryFn: () => call<QuotaReport>(path) });
  if (usage.isError) return <Notice tone="bad">{wordsFor(usage.error)}</Notice>;
  if (!usage.data) return null;
  const report = usage.data;
  const minutes = Math.ceil(report.minutes_today);
  return (
    <dl className="quotas">
      <Quota name="Stored" used={report.stored_bytes} most={report.max_stored_bytes}>
        {bytes(report.stored_bytes)} of {bytes(report.max_stored_bytes)}
      </Quota>
      <Quota name="Converted today" used={minutes} most={report.max_minutes_per_day}>
        {minutes} of {plural(report.max_minutes_per_day, "minute")}
      </Quota>
      <Quota name="Waiting or running" used={report.unfinished_jobs} most={report.max_unfinished_jobs}>
        {report.unfinished_jobs} of {plural(report.max_unfinished_jobs, "video")}
      </Quota>
    </dl>
  );
}

type QuotaProps = { name: string; used: number; most: number; children: ReactNode };

function Quota({ name, used, most, children }: QuotaProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span>{children}</span>
        {/* The words say it all. */}
        <progress value={Math.min(used, most)} max={most} aria-hidden="true" />
      </dd>
    </div>
  );
}
