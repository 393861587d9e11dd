import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { Session } from "../api/types";
import { session } from "../auth/session";
import { relative } from "../ui/format";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { clientName } from "./clientName";
import { Section } from "./Section";

export function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: ["sessions"], queryFn: () => call<{ sessions: Session[] }>("/sessions") });
  const end = useMutation({
    mutationFn: (id: string) => call(`/sessions/${id}`, { method: "DELETE" }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["sessions"] }),
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  const endAll = useMutation({
    mutationFn: () => call("/sessions", { method: "DELETE" }),
    onSuccess: () => session.signOut(),
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  const now = new Date();
  return (
    <Section title="Where you are signed in" about="End what you don’t know or use any more.">
      {sessions.isError && <Notice tone="bad">{wordsFor(sessions.error)}</Notice>}
      <ul className="settings-list">
        {sessions.data?.sessions.map((one) => (
          <li key={one.id}>
            <div>
              <strong>{clientName(one.client)}</strong>
              <span className="quiet">
                {one.is_current ? "this one" : `last used ${relative(new Date(one.last_used_at), now)}`}
              </span>
            </div>
            {!one.is_current && (
              <button
                type="button"
                className="button"
                aria-label={`End ${clientName(one.client)}`}
                disabled={end.isPending}
                onClick={() => end.mutate(one.id)}
              >
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      <button type="button" className="button" disabled={endAll.isPending} onClick={() => endAll.mutate()}>
        Sign out everywhere
      </button>
    </Section>
  );
}
