import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { QueueState } from "../api/types";
import { plural } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { DeadLetters } from "./DeadLetters";

const ABOUT: Record<string, string> = {
  video: "Videos that wait for a converter",
  mp3: "Results that wait for their mail",
  account: "Mails about accounts",
};

/** How much waits where, and what nobody could handle. */
export function Queues() {
  const client = useQueryClient();
  const queues = useQuery({ queryKey: ["queues"], queryFn: () => call<QueueState[]>("/admin/queues") });
  return (
    <section aria-labelledby="queues-heading">
      <div className="admin-head">
        <h2 id="queues-heading">Queues</h2>
        <button
          type="button"
          className="button button-quiet"
          onClick={() => void client.invalidateQueries({ queryKey: ["queues"] })}
        >
          <Icon name="retry" /> Look again
        </button>
      </div>
      {queues.isError && <Notice tone="bad">{wordsFor(queues.error)}</Notice>}
      <ul className="admin-queues">
        {queues.data?.map((state) => (
          <Queue key={state.queue} state={state} />
        ))}
      </ul>
    </section>
  );
}

function Queue({ state: { queue, ready, dead } }: { state: QueueState }) {
  const client = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const replay = useMutation({
    mutationFn: () => call(`/admin/queues/${queue}/dead/replay`, { method: "POST" }),
    onSuccess: () => {
      toast("They are on their way again.");
      return client.invalidateQueries({ queryKey: ["queues"] });
    },
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  return (
    <li className={isOpen && dead > 0 ? "is-open" : undefined}>
      <h3>{ABOUT[queue] ?? queue}</h3>
      <p>
        <strong>{ready}</strong> waiting
      </p>
      {dead > 0 ? (
        <>
          <p className="is-bad">{plural(dead, "message")} that nobody could handle</p>
          <div className="admin-actions">
            <button type="button" className="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
              {isOpen ? "Hide" : "Look at"} {dead === 1 ? "it" : "them"}
            </button>
            <button type="button" className="button" disabled={replay.isPending} onClick={() => replay.mutate()}>
              Send {dead === 1 ? "it" : "them"} again
            </button>
          </div>
          {isOpen && <DeadLetters queue={queue} />}
        </>
      ) : (
        <p className="quiet">None given up</p>
      )}
    </li>
  );
}
