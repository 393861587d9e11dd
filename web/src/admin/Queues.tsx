import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { QueueState } from "../api/types";
import { plural } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";

const ABOUT: Record<string, string> = {
  video: "Videos that wait for a converter",
  mp3: "Results that wait for their mail",
  account: "Mails about accounts",
};

/** How much waits where, and what nobody could handle. */
export function Queues() {
  const client = useQueryClient();
  const queues = useQuery({ queryKey: ["queues"], queryFn: () => call<QueueState[]>("/admin/queues") });
  const reload = () => client.invalidateQueries({ queryKey: ["queues"] });
  const replay = useMutation({
    mutationFn: (queue: string) => call(`/admin/queues/${queue}/dead/replay`, { method: "POST" }),
    onSuccess: () => {
      toast("They are on their way again.");
      return reload();
    },
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  return (
    <section aria-labelledby="queues-heading">
      <div className="admin-head">
        <h2 id="queues-heading">Queues</h2>
        <button type="button" className="button button-quiet" onClick={() => void reload()}>
          <Icon name="retry" /> Look again
        </button>
      </div>
      {queues.isError && <Notice tone="bad">{wordsFor(queues.error)}</Notice>}
      <ul className="admin-queues">
        {queues.data?.map(({ queue, ready, dead }) => (
          <li key={queue}>
            <h3>{ABOUT[queue] ?? queue}</h3>
            <p>
              <strong>{ready}</strong> waiting
            </p>
            {dead > 0 ? (
              <>
                <p className="is-bad">{plural(dead, "message")} that nobody could handle</p>
                <button
                  type="button"
                  className="button"
                  disabled={replay.isPending}
                  onClick={() => replay.mutate(queue)}
                >
                  Send {dead === 1 ? "it" : "them"} again
                </button>
              </>
            ) : (
              <p className="quiet">None given up</p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
