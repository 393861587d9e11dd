import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { MailPreferences, Me } from "../api/types";
import { Check } from "../ui/Field";
import { toast } from "../ui/toasts";
import { Section } from "./Section";

const MAILS: [keyof MailPreferences, string][] = [
  ["submitted", "when a video has arrived"],
  ["finished", "when a file is ready, with a link to it"],
  ["failed", "when a video could not be turned into music"],
];

export function Mails({ me }: { me: Me }) {
  const client = useQueryClient();
  // As it will be, until the service says how it is. The mutation itself tells a moment too late: the box would flicker.
  const [wanted, setWanted] = useState<Partial<MailPreferences>>({});
  const change = useMutation({
    mutationFn: (mails: Partial<MailPreferences>) => call<Me>("/me", { method: "PATCH", body: { mails } }),
    onSuccess: (changed) => {
      client.setQueryData(["me"], changed);
      toast("Saved. It holds for videos that you upload from now on.");
    },
    onError: (error) => toast(wordsFor(error), "bad"),
    onSettled: () => setWanted({}),
  });
  const shown = { ...me.mails, ...wanted };
  const choose = (mails: Partial<MailPreferences>) => {
    setWanted(mails);
    change.mutate(mails);
  };
  return (
    <Section title="Mails" about="Which mails we send you.">
      <fieldset className="settings-checks">
        <legend>Write to me</legend>
        {MAILS.map(([mail, label]) => (
          <Check key={mail} label={label} isOn={shown[mail]} onChange={(isOn) => choose({ [mail]: isOn })} />
        ))}
      </fieldset>
    </Section>
  );
}
