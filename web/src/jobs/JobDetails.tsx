import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { fetchSignedIn } from "../api/client";
import type { Job } from "../api/types";
import { CopyText, copy } from "../ui/CopyText";
import { Select } from "../ui/Field";
import { bytes, clock, date, relative } from "../ui/format";
import { Icon } from "../ui/Icon";
import { toast } from "../ui/toasts";
import { told } from "../ui/told";
import { linkTo } from "./download";
import { formatOf, qualityOf, titleOf } from "./words";
import "./JobDetails.css";

const VALIDITY = [
  ["3600", "for an hour"],
  ["86400", "for a day"],
  ["604800", "for a week"],
] as const;

interface JobDetailsProps {
  job: Job;
  now: Date;
  onRemove: () => void;
}

/** All that is known about a finished file, and what can be done with it. */
export function JobDetails({ job, now, onRemove }: JobDetailsProps) {
  return (
    <div className="details">
      {job.audio?.has_cover && <Cover job={job} />}
      <dl>
        {factsOf(job, now).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div className="details-actions">
        <Share job={job} />
        <button type="button" className="button button-danger-quiet" onClick={onRemove}>
          <Icon name="trash" /> Delete
        </button>
      </div>
    </div>
  );
}

function factsOf(job: Job, now: Date): [string, string][] {
  const { audio, options, source } = job;
  if (!audio) return [];
  const facts: [string, string | undefined | null][] = [
    ["Artist", options.artist],
    ["Album", options.album],
    ["From", source.name],
    ["Length", clock(audio.duration_seconds)],
    ["File", [formatOf(job), qualityOf(job), bytes(audio.bytes)].filter(Boolean).join(", ")],
    ["Loudness", loudnessOf(job)],
    ["Made", date(job.created_at)],
    ["Kept", job.expires_at ? `until ${date(job.expires_at)} (${relative(new Date(job.expires_at), now)})` : undefined],
    ["Mail", mailOf(job)],
  ];
  return facts.flatMap(([name, value]) => (value ? [[name, value]] : []));
}

function loudnessOf({ audio }: Job): string | undefined {
  const loudness = audio?.loudness;
  if (!loudness) return undefined;
  const measured = loudness.measured_lufs == null ? "silence" : `${signed(loudness.measured_lufs)} LUFS`;
  const gain = `${loudness.gain_db >= 0 ? "+" : ""}${signed(loudness.gain_db)} dB`;
  return `${measured} in the video, ${gain} to ${signed(loudness.target_lufs)} LUFS${loudness.is_limited ? ", peaks held back" : ""}`;
}

/** With a real minus: a hyphen is read as a pause. */
function signed(value: number): string {
  return value.toFixed(1).replace("-", "−");
}

function mailOf(job: Job): string | undefined {
  const notice = job.notices.at(-1);
  if (!notice) return undefined;
  return { sending: "on its way", sent: "sent", failed: "could not be delivered" }[notice.state];
}

/** A picture is fetched with the token, which an `<img>` could not send. */
function Cover({ job }: { job: Job }) {
  const picture = useQuery({
    queryKey: ["cover", job.id],
    queryFn: async ({ signal }) => (await fetchSignedIn(`/jobs/${job.id}/cover`, { signal })).blob(),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    if (!picture.data) return;
    const made = URL.createObjectURL(picture.data);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [picture.data]);
  if (address === undefined) return <div className="details-cover" />;
  return <img className="details-cover" src={address} alt={`Cover of ${titleOf(job)}`} />;
}

/** A link that opens this one file without an account. */
function Share({ job }: { job: Job }) {
  const [seconds, setSeconds] = useState("86400");
  const [url, setUrl] = useState<string>();
  const share = async () => {
    const link = await linkTo(job, Number(seconds));
    setUrl(link.url);
    if (await copy(link.url)) toast("The link is copied. Whoever has it can listen and download.");
  };
  return (
    <div className="details-share">
      <Select label="A link that works" value={seconds} options={VALIDITY} onChange={setSeconds} />
      <button type="button" className="button" onClick={() => void told(share())}>
        <Icon name="link" /> Copy link
      </button>
      {url && <CopyText text={url} label="The link" />}
    </div>
  );
}
