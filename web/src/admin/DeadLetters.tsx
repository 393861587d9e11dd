import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { DeadMessage } from "../api/types";
import { bytes, moment, plural } from "../ui/format";
import { Notice } from "../ui/Notice";

/** The oldest messages of a queue that nobody could handle, and why. */
export function DeadLetters({ queue }: { queue: string }) {
  const letters = useQuery({
    // Below the queues: what makes those old makes this old.
    queryKey: ["queues", queue, "dead"],
    queryFn: () => call<DeadMessage[]>(`/admin/queues/${queue}/dead`),
  });
  if (letters.isError) return <Notice tone="bad">{wordsFor(letters.error)}</Notice>;
  if (!letters.data) return <p className="quiet">One moment…</p>;
  return (
    <ol className="admin-letters" aria-label="What nobody could handle, the oldest first">
      {letters.data.map((letter, index) => (
        // A message may be there twice, or have no name.
        // biome-ignore lint/suspicious/noArrayIndexKey: nothing in a row has a state of its own
        <li key={index}>
          <p>{letter.reason ?? "Every program that took it came to an end."}</p>
          <p className="quiet">{factsOf(letter)}</p>
        </li>
      ))}
    </ol>
  );
}

function factsOf({ message_id, attempts, bytes: length, first_published_at }: DeadMessage): string {
  return [
    message_id ?? "no name",
    attempts === 1 ? "tried once" : `tried ${plural(attempts, "time")}`,
    bytes(length),
    `first sent ${moment(first_published_at)}`,
  ].join(" · ");
}
