import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { ApiKey, CreatedApiKey, Scope } from "../api/types";
import { textOf, useSubmit } from "../auth/useSubmit";
import { CopyText } from "../ui/CopyText";
import { Confirm } from "../ui/Dialog";
import { Check, Field, Select } from "../ui/Field";
import { date, relative } from "../ui/format";
import { Notice } from "../ui/Notice";
import { toast } from "../ui/toasts";
import { Section } from "./Section";

const SCOPES: [Scope, string][] = [
  ["upload", "upload videos"],
  ["read", "see and download files"],
  ["delete", "delete files"],
];
const LIFETIMES = [
  ["90", "90 days"],
  ["365", "A year"],
  ["", "For ever"],
] as const;

/** For who has seen a terminal: keys for programs. */
export function Keys() {
  const client = useQueryClient();
  const keys = useQuery({ queryKey: ["keys"], queryFn: () => call<{ keys: ApiKey[] }>("/keys") });
  const [made, setMade] = useState<CreatedApiKey>();
  const [removed, setRemoved] = useState<ApiKey>();
  const reload = () => client.invalidateQueries({ queryKey: ["keys"] });
  const remove = useMutation({
    mutationFn: (id: string) => call(`/keys/${id}`, { method: "DELETE" }),
    onSuccess: (_, id) => {
      if (made?.id === id) setMade(undefined);
      setRemoved(undefined);
      return reload();
    },
    onError: (error) => toast(wordsFor(error), "bad"),
  });
  return (
    <Section
      title="Keys for programs"
      about={
        <>
          A script or another program uploads with a key instead of your password. <a href="/docs/">What they can do</a>
        </>
      }
    >
      {keys.isError && <Notice tone="bad">{wordsFor(keys.error)}</Notice>}
      {made && <MadeKey made={made} />}
      <ul className="settings-list">
        {keys.data?.keys.map((key) => (
          <li key={key.id}>
            <div>
              <strong>{key.name}</strong>
              <span className="quiet">{factsOf(key)}</span>
            </div>
            <button
              type="button"
              className="button"
              aria-label={`Delete the key ${key.name}`}
              onClick={() => setRemoved(key)}
            >
              Delete
            </button>
          </li>
        ))}
      </ul>
      <NewKey
        onMade={(key) => {
          setMade(key);
          void reload();
        }}
      />
      {removed && (
        <Confirm
          title={`Delete the key ${removed.name}?`}
          action="Delete it"
          isBusy={remove.isPending}
          onConfirm={() => remove.mutate(removed.id)}
          onClose={() => setRemoved(undefined)}
        >
          <p>Programs that use it are locked out at once.</p>
        </Confirm>
      )}
    </Section>
  );
}

function factsOf(key: ApiKey): string {
  const now = new Date();
  return [
    `may ${key.scopes.map((scope) => SCOPES.find(([name]) => name === scope)?.[1] ?? scope).join(", ")}`,
    key.last_used_at ? `used ${relative(new Date(key.last_used_at), now)}` : "never used",
    key.expires_at ? `until ${date(key.expires_at)}` : undefined,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** The key is shown this once, in the line that one most likely wants. */
function MadeKey({ made }: { made: CreatedApiKey }) {
  const line = `curl -F file=@video.mp4 -H "Authorization: Bearer ${made.key}" ${location.origin}/upload`;
  return (
    <Notice tone="good">
      <p>
        <strong>{made.name}</strong> is made. Copy the key now: it is not shown again.
      </p>
      <CopyText text={made.key} label="The key" />
      {made.scopes.includes("upload") && (
        <>
          <p>Or the whole line that uploads video.mp4:</p>
          <CopyText text={line} label="A line for the terminal" />
        </>
      )}
    </Notice>
  );
}

function NewKey({ onMade }: { onMade: (key: CreatedApiKey) => void }) {
  const [scopes, setScopes] = useState<Scope[]>(["upload", "read"]);
  const [days, setDays] = useState("365");
  const { submit, isBusy, error } = useSubmit(async (form) => {
    const body = { name: textOf(form, "name"), scopes, ...(days === "" ? {} : { expires_in_days: Number(days) }) };
    onMade(await call<CreatedApiKey>("/keys", { method: "POST", body }));
  });
  return (
    <form onSubmit={submit}>
      {error && <Notice tone="bad">{error}</Notice>}
      <Field
        label="Name of a new key"
        name="name"
        required
        maxLength={100}
        autoComplete="off"
        placeholder="My backup script"
      />
      <fieldset className="settings-checks">
        <legend>It may</legend>
        {SCOPES.map(([scope, label]) => (
          <Check
            key={scope}
            label={label}
            isOn={scopes.includes(scope)}
            onChange={(isOn) => setScopes(isOn ? [...scopes, scope] : scopes.filter((other) => other !== scope))}
          />
        ))}
      </fieldset>
      <Select label="It works for" value={days} options={LIFETIMES} onChange={setDays} />
      <button type="submit" className="button" disabled={isBusy || scopes.length === 0}>
        Make a key
      </button>
    </form>
  );
}
