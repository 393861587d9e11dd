import { call } from "../api/client";
import type { Job } from "../api/types";
import { toast } from "../ui/toasts";
import { told } from "../ui/told";
import { titleOf } from "./words";

/** Has a failed video converted once more. The list learns of it by its events. */
export async function retry(job: Job): Promise<void> {
  if (await told(call<Job>(`/jobs/${job.id}/retry`, { method: "POST" }))) toast(`${titleOf(job)} is tried again.`);
}
