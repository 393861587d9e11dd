import { useState } from "react";
import { call } from "../api/client";
import { Problem } from "../api/problem";
import { wordsFor } from "../api/problemWords";
import type { Job } from "../api/types";
import { Confirm } from "../ui/Dialog";
import { toast } from "../ui/toasts";
import { useJobCache } from "./useJobs";
import { isUnderWay, titleOf } from "./words";

/** Asks before anything is gone. */
export function RemoveJob({ job, onClose }: { job: Job; onClose: () => void }) {
  const cache = useJobCache();
  const [isBusy, setBusy] = useState(false);
  // A conversion may end while the question stands.
  const [wasUnderWay] = useState(isUnderWay(job));
  const title = titleOf(job);
  const remove = async () => {
    setBusy(true);
    try {
      await call(`/jobs/${job.id}`, { method: "DELETE" });
    } catch (error) {
      // Another window was quicker.
      if (!(error instanceof Problem && error.code === "not_found")) {
        toast(wordsFor(error), "bad");
        onClose();
        return;
      }
    }
    onClose();
    // A cancelled one stays in the list; its event says so.
    if (!isUnderWay(job)) {
      cache.remove(job.id);
      // The row that had the focus is gone.
      document.getElementById("jobs-heading")?.focus();
    }
    toast(wasUnderWay ? `${title} is cancelled.` : `${title} is deleted.`);
  };
  return (
    <Confirm
      title={wasUnderWay ? "Cancel this conversion?" : `Delete ${title}?`}
      action={wasUnderWay ? "Cancel it" : "Delete it"}
      onConfirm={remove}
      onClose={onClose}
      isBusy={isBusy}
    >
      <p>
        {wasUnderWay
          ? "The video that you uploaded is deleted. The one on your own device stays."
          : "It goes for good, and links to it stop working. The video on your own device stays."}
      </p>
    </Confirm>
  );
}
