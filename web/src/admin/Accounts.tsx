import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { Account, AccountPage } from "../api/types";
import { useIdentity } from "../auth/useSession";
import { Field } from "../ui/Field";
import { date } from "../ui/format";
import { Notice } from "../ui/Notice";
import { Quotas } from "../ui/Quotas";
import { toast } from "../ui/toasts";

export function Accounts() {
  const [text, setText] = useState("");
  const client = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: ["accounts", text],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ q: text, ...(pageParam ? { cursor: pageParam } : {}) });
      return call<AccountPage>(`/admin/users?${query}`, { signal });
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (previous) => previous,
  });
  const change = useMutation({
    mutationFn: ({ id, body }: { id: string; body: object }) => call(`/admin/users/${id}`, { method: "PATCH", body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["accounts"] }),
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  const accounts = list.data?.pages.flatMap(({ users }) => users) ?? [];
  return (
    <section aria-labelledby="accounts-heading">
      <h2 id="accounts-heading">Accounts</h2>
      <Field
        label="Find an address"
        type="search"
        value={text}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
      {list.isError && <Notice tone="bad">{wordsFor(list.error)}</Notice>}
      <div className="admin-table">
        <table>
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col">Since</th>
              <th scope="col">State</th>
              <th scope="col">
                <span className="hidden">What to do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {accounts.map((account) => (
              <Row
                key={account.id}
                account={account}
                isBusy={change.isPending}
                onChange={(body) => change.mutate({ id: account.id, body })}
              />
            ))}
          </tbody>
        </table>
      </div>
      {list.hasNextPage && (
        <button type="button" className="button" onClick={() => void list.fetchNextPage()}>
          Show more
        </button>
      )}
    </section>
  );
}

function Row({ account, isBusy, onChange }: { account: Account; isBusy: boolean; onChange: (body: object) => void }) {
  // Locking oneself out is done by somebody else.
  const isOwn = useIdentity().userId === account.id;
  const state = [
    account.is_disabled ? "closed" : "open",
    account.email_verified ? undefined : "address not confirmed",
    account.role === "admin" ? "administrator" : undefined,
  ].filter(Boolean);
  const isAdmin = account.role === "admin";
  const [isOpen, setOpen] = useState(false);
  const usageId = useId();
  return (
    <>
      <tr>
        <th scope="row">{account.email}</th>
        <td>{date(account.created_at)}</td>
        <td>{state.join(", ")}</td>
        <td>
          <div className="admin-actions">
            <button
              type="button"
              className="button"
              aria-expanded={isOpen}
              aria-controls={usageId}
              onClick={() => setOpen(!isOpen)}
            >
              Usage
              <span className="hidden"> of {account.email}</span>
            </button>
            {!isOwn && (
              <>
                <button
                  type="button"
                  className="button"
                  disabled={isBusy}
                  onClick={() => onChange({ role: isAdmin ? "user" : "admin" })}
                >
                  {isAdmin ? "Make a user" : "Make an admin"}
                  <span className="hidden"> of {account.email}</span>
                </button>
                <button
                  type="button"
                  className="button"
                  disabled={isBusy}
                  onClick={() => onChange({ is_disabled: !account.is_disabled })}
                >
                  {account.is_disabled ? "Open" : "Close"}
                  <span className="hidden"> the account of {account.email}</span>
                </button>
              </>
            )}
          </div>
        </td>
      </tr>
      <tr id={usageId} hidden={!isOpen}>
        <td colSpan={4}>{isOpen && <Quotas path={`/admin/users/${account.id}/usage`} />}</td>
      </tr>
    </>
  );
}
