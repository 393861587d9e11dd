import type { Job } from "../api/types";
import { relative } from "../ui/format";

/** What a job is called: the title that was asked for, or the video's name without its ending. */
export function titleOf(job: Job): string {
  return job.options.title ?? job.source.name.replace(/\.[a-z0-9]{2,4}$/i, "");
}

/** Where a job stands, in words. */
export function stateOf(job: Job): string {
  switch (job.status) {
    case "queued":
      return "Waiting for its turn";
    case "converting":
      return phaseOf(job);
    case "converted":
      return "Ready";
    case "failed":
      return "Did not work";
    case "cancelled":
      return "Cancelled";
    case "expired":
      return "Expired";
  }
}

function phaseOf({ progress }: Job): string {
  switch (progress.phase) {
    case "waiting":
      return "Waiting for its turn";
    case "probing":
      return "Looking for the sound";
    case "encoding":
      return `Making the music, ${Math.floor(progress.ratio * 100)} %`;
    case "storing":
      return "Putting it away";
    case "done":
      return "Done";
  }
}

export function isUnderWay(job: Job): boolean {
  return job.status === "queued" || job.status === "converting";
}

/** How long ago it was uploaded. The service's clock, or the minute for which `now` was taken, may be a little ahead. */
export function ago(job: Job, now: Date): string {
  const then = new Date(job.created_at);
  return relative(then < now ? then : now, now);
}

/** A file that goes within this is worth a warning. */
const SOON_MS = 24 * 3600 * 1000;

/** When the file goes, and whether that is soon. */
export function expiryOf(job: Job, now: Date): { words: string; isSoon: boolean } | undefined {
  if (job.status !== "converted" || !job.expires_at) return undefined;
  const end = new Date(job.expires_at);
  return { words: `deleted ${relative(end, now)}`, isSoon: end.getTime() - now.getTime() < SOON_MS };
}

const FORMATS = { mp3: "MP3", m4a: "M4A", opus: "Opus", flac: "FLAC", wav: "WAV" } as const;

export function formatOf(job: Job): string {
  return FORMATS[job.audio?.format ?? job.options.format];
}

/** `V2`, `192 kbit/s`, `lossless`, or that it was copied. */
export function qualityOf(job: Job): string {
  if (job.audio?.is_copy) return "original sound";
  const format = job.audio?.format ?? job.options.format;
  if (format === "flac" || format === "wav") return "lossless";
  return job.audio ? `${Math.round(job.audio.bitrate_bps / 1000)} kbit/s` : "";
}
